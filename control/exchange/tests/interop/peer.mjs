// A TLS 1.3 peer by OpenSSL (through Node): shakes hands once and tells group, protocol and keying material as JSON.
// node peer.mjs client|server GROUP SIGNATURE IDENTITY.pem CA.crt [PORT]
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

const [role, group, signature, identity, authority, port] = process.argv.slice(2);
const options = {
  key: readFileSync(identity),
  cert: readFileSync(identity),
  ca: readFileSync(authority),
  ecdhCurve: group,
  sigalgs: signature,
  minVersion: 'TLSv1.3',
  ALPNProtocols: ['wirewarden-tunnel/1'],
};

function tell(socket) {
  const exported = socket.exportKeyingMaterial(36, 'EXPORTER-Wirewarden-ESP-SA', Buffer.from('a context'));
  process.stdout.write(JSON.stringify({
    protocol: socket.getProtocol(),
    alpn: socket.alpnProtocol,
    cipher: socket.getCipher().standardName,
    authorized: socket.authorized,
    ephemeral: role === 'client' ? socket.getEphemeralKeyInfo() : null,
    exported: exported.toString('hex'),
  }) + '\n');
}

function fail(error) {
  process.stderr.write(`${error}\n`);
  process.exit(1);
}

if (role === 'client') {
  const socket = tls.connect({ ...options, host: '127.0.0.1', port, checkServerIdentity: () => undefined }, () => {
    tell(socket);
    socket.end('done');
  });
  socket.on('error', fail);
  socket.resume();
} else {
  const server = tls.createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (socket) => {
    tell(socket);
    socket.end('done');
    socket.on('close', () => server.close());
    socket.on('error', () => server.close());
    socket.resume();
  });
  server.on('tlsClientError', fail);
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
}
