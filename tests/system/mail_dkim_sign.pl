# Signs the message on standard input with Perl's Mail::DKIM and prints the DKIM-Signature field.
# Arguments: method (like relaxed/simple), domain, selector, file of the private key.
use strict;
use warnings;
use Mail::DKIM::Signer;

my ($method, $domain, $selector, $key) = @ARGV;
my $signer = Mail::DKIM::Signer->new(
    Algorithm => 'rsa-sha256', Method => $method, Domain => $domain, Selector => $selector, KeyFile => $key);
binmode STDIN;
local $/;
$signer->PRINT(<STDIN>);
$signer->CLOSE;
print $signer->signature->as_string, "\r\n";
