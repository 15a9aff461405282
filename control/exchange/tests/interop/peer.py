"""A TLS 1.3 peer by OpenSSL (through pyOpenSSL): shakes hands once and tells protocol and keying material as JSON.

    python3 peer.py version
    python3 peer.py client|server GROUP SIGNATURE IDENTITY.pem CA.crt [PORT]
"""

import json
import socket
import sys

from OpenSSL import SSL, _util

ALPN = b"wirewarden-tunnel/1"


def context(group, signature, identity, authority):
    made = SSL.Context(SSL.TLS_METHOD)
    made.set_min_proto_version(SSL.TLS1_3_VERSION)
    made.use_privatekey_file(identity)
    made.use_certificate_chain_file(identity)
    made.load_verify_locations(authority)
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *seen: bool(seen[-1]))
    made.set_alpn_protos([ALPN])
    made.set_alpn_select_callback(lambda _, offered: ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
    # pyOpenSSL has no name for these two yet.
    if _util.lib.SSL_CTX_set1_curves_list(made._context, group.encode()) != 1:
        sys.exit(f"OpenSSL has no {group}")
    sigalgs = getattr(_util.lib, "SSL_CTX_set1_sigalgs_list", None)
    if sigalgs and sigalgs(made._context, signature.encode()) != 1:
        sys.exit(f"OpenSSL has no {signature}")
    return made


def tell(connection):
    exported = connection.export_keying_material(b"EXPORTER-Wirewarden-ESP-SA", 36, b"a context")
    told = {
        "protocol": connection.get_protocol_version_name(),
        "alpn": connection.get_alpn_proto_negotiated().decode(),
        "cipher": connection.get_cipher_name(),
        # Else the handshake would have failed.
        "authorized": connection.get_peer_certificate() is not None,
        "exported": exported.hex(),
    }
    print(json.dumps(told), flush=True)


def end(connection):
    connection.sendall(b"done")
    connection.shutdown()
    try:
        while connection.recv(64):
            pass
    except SSL.Error:
        pass


def main():
    role, *rest = sys.argv[1:]
    if role == "version":
        return print(SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1])
    group, signature, identity, authority, *port = rest
    made = context(group, signature, identity, authority)
    if role == "client":
        stream = socket.create_connection(("127.0.0.1", int(port[0])))
        connection = SSL.Connection(made, stream)
        connection.set_connect_state()
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        connection = SSL.Connection(made, listener.accept()[0])
        connection.set_accept_state()
    connection.do_handshake()
    tell(connection)
    end(connection)


if __name__ == "__main__":
    main()
