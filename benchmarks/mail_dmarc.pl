# Mail::DMARC's own reports, for benchmarks.reports: domains from standard input, one per line ("domain address ..."; an
# address per message), are saved as Mail::DMARC saves them; then all reports are made, unsigned, as dmarc_send_reports
# makes them. Prints the seconds of the second step. Run in an empty folder with a mail-dmarc.ini.
use strict;
use warnings;
use Time::HiRes qw(time);
use Mail::DMARC::Policy;
use Mail::DMARC::Report;
use Mail::DMARC::Report::Aggregate;
use Mail::DMARC::Report::Aggregate::Record;

my $begin = int( ( time - 172800 ) / 86400 ) * 86400;
while ( my $line = <STDIN> ) {
    my ( $domain, @addresses ) = split ' ', $line;
    my $agg = Mail::DMARC::Report::Aggregate->new;
    $agg->metadata->org_name('Example Ltd');
    $agg->metadata->email('dmarc@reports.example.org');
    $agg->metadata->report_id("$begin-$domain");
    $agg->metadata->begin($begin);
    $agg->metadata->end( $begin + 86399 );
    $agg->policy_published(
        Mail::DMARC::Policy->new( v => 'DMARC1', domain => $domain, p => 'reject', rua => "mailto:d\@$domain" ) );
    for my $address (@addresses) {
        my $record = Mail::DMARC::Report::Aggregate::Record->new;
        $record->row->source_ip($address);
        $record->identifiers( envelope_from => $domain, header_from => $domain );
        $record->auth_results->dkim( [ { domain => $domain, selector => 's', result => 'pass' } ] );
        $record->auth_results->spf( [ { domain => $domain, scope => 'mfrom', result => 'pass' } ] );
        $record->row->policy_evaluated( disposition => 'none', dkim => 'pass', spf => 'pass' );
        $agg->record($record);
    }
    Mail::DMARC::Report->new->store->backend->save_aggregate($agg);
}

my $report = Mail::DMARC::Report->new;
my ( $started, $made ) = ( time, 0 );
while ( my $agg = $report->store->next_todo ) {
    my $xml = $agg->as_xml;
    $report->compress( \$xml );
    $report->store->delete_report( $agg->metadata->report_id );
    $made++;
}
printf "%d %.3f\n", $made, time - $started;
