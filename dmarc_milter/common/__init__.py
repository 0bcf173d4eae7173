"""What every layer may use: values that belong to no protocol."""
