#![allow(warnings)]
use bouncesift::formats::{FORMATS, LineEvent, Parsed, syslog};
use bouncesift::provenance::{FileId, Provenance};
#[test]
fn dump() {
    let Ok(list) = std::env::var("DUMP") else { return };
    let s = |t: Option<&[u8]>| t.map(|t| String::from_utf8_lossy(t).into_owned()).unwrap_or("-".into());
    for path in list.split_whitespace() {
        let bytes = std::fs::read(path).unwrap();
        for line in bytes.split(|b| *b == b'\n') {
            let frame = syslog::frame(line, Provenance { file: FileId(0), len: 0, offset: 0 });
            for f in FORMATS {
                let p = f.parse(&frame, &mut |e| if let LineEvent::Record(r) = e {
                    println!("{:?} {:?} att={} to={} orig={} from={} host={} ip={} stage={:?} st={:?} reply={} trunc={} id={} | {}", r.outcome, r.hop, r.attempted as u8,
                        s(r.final_recipient), s(r.original_recipient), s(r.sender), s(r.remote_mta), s(r.remote_ip), r.stage, r.stated_status.map(|s|s.to_string()), r.is_reply, r.truncated, s(r.queue_id), s(r.diagnostic));
                } else if std::env::var("OPENS").is_ok() { println!("{e:?}") });
                if p != Parsed::NotMine {
                    break;
                }
            }
        }
    }
}
