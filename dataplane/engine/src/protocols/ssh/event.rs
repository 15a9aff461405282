//! The `ssh` event: `client` and `server` in the names of Suricata's EVE output, and `crypto`.

use md5::{Digest, Md5};

use super::algorithm::{Class, is_aead, is_group_exchange, is_none, is_post_quantum};
use super::banner::Banner;
use super::kexinit::{KexInit, List, is_guess_right, is_indicator};
use super::session::{Peer, Session};
use crate::protocols::Output;
use crate::record::EventWriter;

/// Names of one list that are written.
const NAMES_MAX: usize = 64;

/// Writes what is known of a connection. `scratch` is storage for text that is put together.
pub(super) fn write(session: &Session, scratch: &mut Vec<u8>, out: &mut Output<'_>) {
    let mut event = out.event("ssh");
    let [client, server] = session.roles();
    let to_server = [List::CipherToServer, List::MacToServer, List::CompressionToServer];
    let to_client = [List::CipherToClient, List::MacToClient, List::CompressionToClient];
    write_peer("client", client, to_server, scratch, &mut event);
    write_peer("server", server, to_client, scratch, &mut event);
    write_crypto(session, &mut event);
    if let Some(reason) = session.disconnect {
        event.number("disconnect_reason", reason);
    }
}

fn write_peer(
    name: &'static str,
    peer: &Peer,
    own_lists: [List; 3],
    scratch: &mut Vec<u8>,
    event: &mut EventWriter<'_>,
) {
    if peer.banner.is_empty() && peer.kexinit.is_empty() {
        return;
    }
    event.object(name);
    if let Some(banner) = Banner::read(&peer.banner) {
        event.text("proto_version", banner.protocol).text("software_version", banner.software);
        if !banner.comments.is_empty() {
            event.text("comments", banner.comments);
        }
    }
    if !peer.kexinit.is_empty() {
        write_hassh(&peer.kexinit, own_lists, scratch, event);
    }
    event.close();
}

/// HASSH: MD5 of the lists of key exchanges, ciphers, MACs and compressions, with semicolons between: of the
/// client those towards the server, of the server those towards the client.
fn write_hassh(kexinit: &KexInit, own_lists: [List; 3], scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    scratch.clear();
    scratch.extend_from_slice(kexinit.list(List::KeyExchange));
    for list in own_lists {
        scratch.push(b';');
        scratch.extend_from_slice(kexinit.list(list));
    }
    let hash: [u8; 16] = Md5::digest(&*scratch).into();
    event.object("hassh").hex("hash", &hash).text("string", scratch).close();
}

fn write_crypto(session: &Session, event: &mut EventWriter<'_>) {
    let class = session.class();
    let weaknesses = session.weaknesses();
    let is_readable = || {
        [List::CipherToServer, List::CipherToClient]
            .into_iter()
            .any(|list| session.agreed(list).is_some_and(is_none))
    };
    let posture = match class {
        Class::Incomplete => class.name(),
        _ if is_readable() => "cleartext",
        _ if !weaknesses.is_empty() => "weak",
        class => class.name(),
    };
    event.object("crypto").label("class", class.name()).label("posture", posture);
    if !weaknesses.is_empty() {
        event.list("weaknesses");
        for weakness in &weaknesses {
            event.label("", weakness.name());
        }
        event.close();
    }
    write_agreed(session, event);
    event.close();
}

fn write_agreed(session: &Session, event: &mut EventWriter<'_>) {
    let [client, server] = session.roles();
    if session.has_both_lists() {
        write_choices(session, event);
        let offered = |peer: &Peer, name: &[u8]| peer.kexinit.has(List::KeyExchange, name);
        let strict = offered(client, b"kex-strict-c-v00@openssh.com")
            && offered(server, b"kex-strict-s-v00@openssh.com");
        event.flag("strict_kex", strict);
        if client.kexinit.guesses || server.kexinit.guesses {
            event.flag("guess_right", is_guess_right(&client.kexinit, &server.kexinit));
        }
    }
    for (peer, names, post_quantum, ext_info, ext_name) in [
        (client, "kex_offered", "offers_pq", "client_ext_info", b"ext-info-c".as_slice()),
        (server, "kex_supported", "supports_pq", "server_ext_info", b"ext-info-s"),
    ] {
        if peer.kexinit.is_empty() {
            continue;
        }
        event.list(names);
        for name in peer.kexinit.names(List::KeyExchange).filter(|name| !is_indicator(name)).take(NAMES_MAX) {
            event.text("", name);
        }
        event.close();
        event.flag(post_quantum, peer.kexinit.names(List::KeyExchange).any(is_post_quantum));
        event.flag(ext_info, peer.kexinit.has(List::KeyExchange, ext_name));
    }
}

fn write_choices(session: &Session, event: &mut EventWriter<'_>) {
    if let Some(kex) = session.agreed(List::KeyExchange) {
        event.text("kex", kex).flag("forward_secrecy", true);
        if let Some(bits) = session.prime_bits() {
            event.number("dh_bits", bits);
            event.flag("group_exchange", is_group_exchange(kex));
        }
    }
    if let Some(name) = session.agreed(List::HostKey) {
        event.text("host_key_algorithm", name);
    }
    if let Some(key) = &session.host_key {
        event.object("host_key").text("type", &key.kind);
        if let Some(bits) = key.bits {
            event.number("bits", bits);
        }
        event.close();
    }
    for (cipher, cipher_name, mac, mac_name) in [
        (List::CipherToServer, "cipher_to_server", List::MacToServer, "mac_to_server"),
        (List::CipherToClient, "cipher_to_client", List::MacToClient, "mac_to_client"),
    ] {
        let Some(name) = session.agreed(cipher) else { continue };
        event.text(cipher_name, name);
        if is_aead(name) {
            event.label(mac_name, "implicit");
        } else if let Some(name) = session.agreed(mac) {
            event.text(mac_name, name);
        }
    }
    for (list, name) in [
        (List::CompressionToServer, "compression_to_server"),
        (List::CompressionToClient, "compression_to_client"),
    ] {
        if let Some(agreed) = session.agreed(list) {
            event.text(name, agreed);
        }
    }
}
