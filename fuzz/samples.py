"""For each target an input that is nearly right."""

SAMPLES = {
    "dns_packet": b"\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03com\x00\x00\x10\x00\x01"
    b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x01\x2c\x00\x04\x03abc",
    "spf": b"v=spf1 mx:%{d1r}.example a:x.example//64 include:y.example ip6:2001:db8::/32 exp=%{i}.z redirect=%{o}",
    "dmarc": b"v=DMARC1; p=reject; sp=none; np=quarantine; t=y; psd=n; adkim=s; rua=mailto:a@example.com!10m; fo=1:d",
    "dkim_key": b"v=DKIM1; h=sha256; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=; s=email:*; t=y:s",
    "dkim_signature": b" v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s; t=1; x=2; l=0; i=@a.example.com;"
    b" h=From:To; bh=AAAA; b=BBBB",
    "dkim_body": b"\x03 a \t b\r\n\r\n\r c\r\n",
    "arc": b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example; s=s; b=AAAA\r\n"
    b"ARC-Message-Signature: i=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AA==; b=AAAA\r\n"
    b"ARC-Authentication-Results: i=1; a.example; dmarc=pass\r\n\r\n",
    "from_field": b'"A, \\"b" (c(d)) <"x y"@example.com>, G: e@example.com;, =?utf-8?q?=C3=A4?= <f@b\xc3\xbc.example>',
    "apparent_authors": b'[x] "A <a@b.example" =?utf-8?q?c=40d.example?='
    b" (e@f.example) \xef\xbc\xa0g.example <h @ i . example.>,",
    "encoded_words": b"a =?utf-8?q?b=40c?= =?iso-2022-jp*ja?b?GyRCRnxLXBsoQg==?=\r\n =?utf-16?B?/v8AYQ?= =?x?q?d",
    "words": b'a.b@c (d (e) \\)) "f \\" g" =?h?=\r\n <i>;/:[j],',
    "sealed_results": b'mx 1; dmarc=pass (p=none (x)) header.from="a.example" reason = "\\"; b";'
    b" dkim / 1 = fail header . b=c/d==",
    "foreign_results": b' (x (y)) "mx.example.org" 1; dkim=pass (good) header.d=example.com',
    "identifier": "b\u00fccher.example".encode(),
    "mailing_list": b" A list <dev.lists.example.org>",
    "received": b" from a.example (b.example [192.0.2.1])\r\n\tby mx.example (Postfix) with ESMTPS"
    b" id 1 for <a@x>; date",
    "old_chain": b"Return-Path: <a@example.com>\r\n"
    b"Authentication-Results: mx.example; dmarc=fail (p=reject dis=none) header.from=a.example\r\n"
    b'Received-SPF: pass (x) client-ip=192.0.2.1; envelope-from="a@example.com"; helo=h.example\r\n'
    b"Received: from a.example (b.example [192.0.2.1]) by mx.example (Postfix); Tue, 24 Nov 2026 10:00:05 +0000\r\n"
    b"Nov 24 10:00:05 mx postfix/cleanup[1]: 4XyAB: milter-reject: END-OF-MESSAGE from a[192.0.2.1]: 5.7.1 x dmarc;"
    b" from=<a@example.com> to=<b@example.org> proto=ESMTP helo=<h>",
    "spf_macros": b"%{h1r-}.%{l2}.%{d}%%%_%{S}.example",
    "message": b"From x\nFrom: a@example.com\nX: y\n z\n\nbody\n",
}
