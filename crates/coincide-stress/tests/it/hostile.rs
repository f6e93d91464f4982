//! Replies that are meant to hurt are cut off with a reason and cost their own cell.

use crate::server::{Answer, Server, json};
use crate::support::Folder;
use std::time::{Duration, Instant};

#[test]
fn hostile_replies_cost_their_own_cell() {
    let cases: [(&str, &str, &str); 11] = [
        ("gigabyte", "unparsed", "longer than 1048576 bytes"),
        ("endless", "unparsed", "longer than 1048576 bytes"),
        ("deep", "unparsed", "nested too deeply"),
        ("bytes", "unparsed", "not UTF-8"),
        ("redirect", "error", "redirects are not followed"),
        ("headers", "error", "does not speak HTTP"),
        ("longheader", "error", "does not speak HTTP"),
        ("cut", "error", "broke off"),
        ("nonsense", "error", "does not speak HTTP"),
        ("silence", "error", "no answer within 1 s"),
        ("html", "unparsed", "not JSON"),
    ];
    let server = Server::start(|_, body| {
        let text = String::from_utf8_lossy(body);
        let has = |w: &str| text.contains(&format!("\"{w}\""));
        let body = |b: &[u8]| {
            let mut out = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", b.len()).into_bytes();
            out.extend_from_slice(b);
            Answer::Bytes(out)
        };
        if has("gigabyte") {
            Answer::Flood { head: b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec(), piece: vec![b'x'; 65_536] }
        } else if has("endless") {
            let mut piece = b"10000\r\n".to_vec();
            piece.extend(vec![b'x'; 65_536]);
            piece.extend(b"\r\n");
            Answer::Flood { head: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), piece }
        } else if has("deep") {
            body("[".repeat(500_000).as_bytes())
        } else if has("bytes") {
            body(b"{\"flagged\": \"\xff\xfe\"}")
        } else if has("redirect") {
            Answer::Bytes(b"HTTP/1.1 307 X\r\nlocation: /check\r\ncontent-length: 0\r\n\r\n".to_vec())
        } else if has("headers") {
            Answer::Flood { head: b"HTTP/1.1 200 OK\r\n".to_vec(), piece: b"x-flood: abcdefghijklmnopqrstuvwxyz\r\n".repeat(100) }
        } else if has("longheader") {
            Answer::Flood { head: b"HTTP/1.1 200 OK\r\nx-long: ".to_vec(), piece: vec![b'y'; 65_536] }
        } else if has("cut") {
            // A length that is never reached: the server hangs up by announcing the end of the connection.
            Answer::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"fla\r\nZZ\r\n".to_vec())
        } else if has("nonsense") {
            Answer::Bytes(b"220 smtp ready\r\n\r\n".to_vec())
        } else if has("silence") {
            Answer::Silence
        } else if has("html") {
            Answer::Bytes(json(200, "<html>gateway</html>"))
        } else {
            Answer::Bytes(json(200, "{\"flagged\":true}"))
        }
    });
    let mut attacks: Vec<(String, String)> = cases.iter().map(|c| (c.0.to_owned(), c.0.to_owned())).collect();
    attacks.extend((0..10).map(|i| (format!("fine {i}"), format!("f{i}"))));
    let layer = format!(
        "\n[[layers]]\nname = \"a\"\nkind = \"http\"\nurl = \"{}/check\"\nbody = {{ text = \"{{prompt}}\" }}\nverdict = \"/flagged\"\nheld_when = [\"true\"]\nretries = 0\ntimeout = 1\n",
        server.url
    );
    let f = Folder::new(&attacks, &layer);
    let began = Instant::now();
    let record = f.fresh();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(record.layers[0].cells["held"], 10);
    let details = f.details("a");
    for (i, (name, reason, detail)) in cases.iter().enumerate() {
        let got = details.iter().find(|d| d.0 == format!("a{i}")).unwrap();
        assert!(got.1 == *reason && got.2.contains(detail), "{name}: {got:?}");
    }
}
