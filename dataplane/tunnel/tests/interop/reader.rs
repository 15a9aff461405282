//! tshark decrypts our packets, checks their tags, and sees what was inside.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use tunnel::{Carrier, NAT_PORT, Sequence};

use crate::gateway::{Ends, Sa, Tunnel, echo};
use crate::has;

pub(crate) fn check() {
    if !has("tshark", "--version") {
        return;
    }
    for carrier in [Carrier::Ip, Carrier::Udp(NAT_PORT)] {
        let (ours, theirs) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let mut key = [0; 36];
        for (at, byte) in (1_u8..).zip(&mut key) {
            *byte = at.wrapping_mul(37);
        }
        let sa = Sa { spi: 0x0102_0304, key };
        let ends = Ends { local: ours, remote: theirs, carrier, sequence: Sequence::Short };
        let mut tunnel = Tunnel::new(&ends, &sa, &Sa { spi: 0x0999_9999, ..sa });
        let hosts = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1));
        let packets: Vec<_> = (1..=40)
            .map(|number| tunnel.seal(&echo(hosts.0, hosts.1, number, usize::from(number) * 30)).unwrap())
            .collect();
        let read = decrypted(&packets, &sa);
        let expected: Vec<String> = (1..=40)
            .map(|number: u16| {
                format!("10.1.0.1|10.2.0.1|{number}|{}|1|{}", number, usize::from(number) * 30)
            })
            .collect();
        assert_eq!(read, expected, "{carrier:?}");
    }
}

/// Of each packet: inner addresses, ESP number, echo number, whether the tag is right, length of the echo's data.
fn decrypted(packets: &[Vec<u8>], sa: &Sa) -> Vec<String> {
    let file = std::env::temp_dir().join(format!("wirewarden-esp-{}.pcap", std::process::id()));
    fs::write(&file, pcap(packets)).unwrap();
    let key: String = sa.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let entry = format!(
        "uat:esp_sa:\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"{:#010x}\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x{key}\",\"NULL\",\"\"",
        sa.spi
    );
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args([
            "-o",
            "esp.enable_encryption_decode:TRUE",
            "-o",
            "esp.enable_authentication_check:TRUE",
            "-o",
            &entry,
        ])
        .args(["-E", "separator=|", "-E", "occurrence=l", "-T", "fields"])
        .args([
            "-e",
            "ip.src",
            "-e",
            "ip.dst",
            "-e",
            "esp.sequence",
            "-e",
            "icmp.seq",
            "-e",
            "esp.icv_good",
            "-e",
            "data.len",
        ])
        .output()
        .unwrap();
    let _ = fs::remove_file(&file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// A capture file of IP packets (LINKTYPE_RAW).
fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}
