"""Our packets against dnspython's, in one run: a question made and its answer read.

.venv/bin/python -m benchmarks.dns
"""

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from benchmarks.spf import seconds_each
from dmarc_milter.dns import wire
from dmarc_milter.dns.answer import Answer, Question, RecordType

QUESTION = Question("r._domainkey.example.com", RecordType.TXT)


def main() -> None:
    asked = wire.query(QUESTION, 7) or b""
    made = dns.message.make_response(dns.message.from_wire(asked))
    text = f'"v=DKIM1; k=rsa; p={"A" * 200}" "{"B" * 200}"'
    made.answer.append(dns.rrset.from_text(f"{QUESTION.name}.", 300, "IN", "TXT", text))
    packet = made.to_wire()

    def ours() -> None:
        query = wire.query(QUESTION, 7) or b""
        assert wire.is_response(query, packet)
        answer = wire.answer(QUESTION, packet)
        assert isinstance(answer, Answer)
        assert answer.records

    def theirs() -> None:
        query = dns.message.make_query(QUESTION.name, "TXT", use_edns=0, payload=1232, id=7)
        query.to_wire()
        response = dns.message.from_wire(packet)
        assert query.is_response(response)
        assert [b"".join(each.strings) for each in response.answer[0]]

    own, other = seconds_each(ours, 2000), seconds_each(theirs, 500)
    print(f"a question made, its answer read: ours {own * 1e6:.0f} us, dnspython {other * 1e6:.0f} us")
    print(f"    {other / own:.1f} times as fast")


if __name__ == "__main__":
    main()
