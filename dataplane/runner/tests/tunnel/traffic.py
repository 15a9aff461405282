"""Traffic of hosts, for tests: echo requests, datagrams and streams whose content is checked, and a wire that repeats."""
import os, select, socket, struct, sys, time

MARKER = b"THIS-MUST-NOT-BE-SEEN-OUTSIDE"
PORT = 5300


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ping(address, count):
    v6 = ":" in address
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    sock = socket.socket(family(address), socket.SOCK_RAW, protocol)
    answered = 0
    for number in range(int(count)):
        head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, os.getpid() & 0xFFFF, number)
        packet = head + MARKER * 3
        if not v6:
            packet = packet + (b"\0" if len(packet) % 2 else b"")
            total = sum(struct.unpack("!%dH" % (len(packet) // 2), packet))
            total = (total >> 16) + (total & 0xFFFF)
            total += total >> 16
            packet = packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:]
        try:
            sock.sendto(packet, (address, 0))
        except OSError:
            time.sleep(0.3)
            continue
        until = time.time() + 1.0
        while time.time() < until:
            if not select.select([sock], [], [], until - time.time())[0]:
                break
            reply = sock.recv(65536)
            reply = reply if v6 else reply[20:]
            if reply[0] == (129 if v6 else 0) and reply[4:8] == head[4:8]:
                answered += 1
                break
    print(answered)


def tcp_server(address):
    server = socket.socket(family(address), socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, PORT))
    server.listen(8)
    print("ready", flush=True)
    while True:
        conn, _ = server.accept()
        while data := conn.recv(65536):
            conn.sendall(data)
        conn.close()


def tcp(address, size):
    content = (MARKER + os.urandom(999)) * (int(size) // 1024)
    sock = socket.create_connection((address, PORT), timeout=60)
    back = bytearray()
    sent = 0
    sock.setblocking(False)
    began = time.time()
    while len(back) < len(content):
        assert time.time() - began < 120, (sent, len(back))
        readable, writable, _ = select.select([sock], [sock] if sent < len(content) else [], [], 30)
        assert readable or writable, (sent, len(back))
        if readable:
            back += sock.recv(65536)
        if writable:
            sent += sock.send(content[sent : sent + 65536])
    assert back == content, "what came back is something else"


def udp_server(address):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.bind((address, PORT))
    print("ready", flush=True)
    while True:
        data, sender = sock.recvfrom(65536)
        sock.sendto(data, sender)


def udp(address, count):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    # IPv4 without DF is fragmented by the gateway, IPv6 by its sender.
    if ":" not in address:
        sock.setsockopt(socket.IPPROTO_IP, 10, 0)
    sock.settimeout(2)
    lost = 0
    for number in range(int(count)):
        size = 20 + number * 1452 // int(count)
        content = (MARKER * 60)[:size] + struct.pack("!I", number)
        try:
            sock.sendto(content, (address, PORT))
            while sock.recv(65536) != content:
                pass
        except (OSError, TimeoutError):
            lost += 1
    # The first that is too big is answered "packet too big", and lost.
    assert lost <= 2, f"{lost} datagrams were lost"


def load(address, counted):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    number = 0
    while True:
        try:
            sock.sendto(MARKER + struct.pack("!I", number), (address, PORT + 1))
            number += 1
        except OSError:
            pass
        time.sleep(0.002)
        if counted == "1" and select.select([sys.stdin], [], [], 0)[0]:
            break
    time.sleep(0.5)
    for _ in range(10):
        sock.sendto(b"end", (address, PORT + 1))
        time.sleep(0.02)
    print(number, flush=True)


def sink(address):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((address, PORT + 1))
    print("ready", flush=True)
    seen = set()
    while (data := sock.recv(65536)) != b"end":
        assert data not in seen, "a datagram came twice"
        seen.add(data)
    print(len(seen), flush=True)


def repeat(*ports):
    sockets = {port: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for port in ports}
    for port, sock in sockets.items():
        sock.bind((port, 0))
    print("ready", flush=True)
    frames = []
    while not select.select([sys.stdin], [], [], 0)[0]:
        for port, sock in sockets.items():
            while select.select([sock], [], [], 0.01)[0]:
                frame, origin = sock.recvfrom(65536)
                # Those that came from a gateway, not those that the bridge sends to it.
                if origin[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00" and frame[23] == 50:
                    frames.append((port, frame))
    for port, frame in frames:
        far = next(other for other in ports if other != port)
        sockets[far].send(frame)
    print(len(frames), flush=True)


name, *arguments = sys.argv[1:]
{
    "ping": ping,
    "tcp-server": tcp_server,
    "tcp": tcp,
    "udp-server": udp_server,
    "udp": udp,
    "load": load,
    "sink": sink,
    "repeat": repeat,
}[name](*arguments)
