//! A second sign of whether the other end of a memif is there: its driver now and then misses that it went, and reports a
//! link that is up for ever. The kernel knows: the Unix socket over which the two ends agreed has lost its other end.

use core::ffi::c_int;
use core::mem::{MaybeUninit, size_of};
use std::fs;

use super::device::Device;

/// The socket of a memif, as its arguments name it.
#[derive(Clone, Debug)]
pub(super) struct ControlSocket {
    name: Vec<u8>,
}

/// Where the driver listens unless its arguments say otherwise.
const USUAL: &str = "/run/memif.sock";

impl ControlSocket {
    /// That of a device; none where it is no memif.
    pub(super) fn of(device: &Device) -> Option<Self> {
        if !device.name().starts_with("net_memif") {
            return None;
        }
        let named = device.arguments().split(',').find_map(|argument| argument.strip_prefix("socket="));
        Some(Self { name: named.unwrap_or(USUAL).as_bytes().to_vec() })
    }

    /// Whether a connection of this process over it is whole: the other end has it open.
    pub(super) fn is_connected(&self) -> bool {
        descriptors().any(|fd| self.is_own(fd) && !is_listening(fd) && has_other_end(fd))
    }

    /// Whether a descriptor is a socket of this name: the one that accepted is bound to it, the one that connected has it
    /// for its peer.
    fn is_own(&self, fd: c_int) -> bool {
        let is_it = |name: Option<Vec<u8>>| name.is_some_and(|name| name == self.name);
        is_it(name_of(fd, libc::getsockname)) || is_it(name_of(fd, libc::getpeername))
    }
}

/// What this process has open.
pub(super) fn descriptors() -> impl Iterator<Item = c_int> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().filter_map(Result::ok);
    open.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

type Ask = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

/// The name of one end of a Unix socket, without the zero before an abstract one; none of anything else.
fn name_of(fd: c_int, ask: Ask) -> Option<Vec<u8>> {
    let mut address = MaybeUninit::<libc::sockaddr_un>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).ok()?;
    // SAFETY: the kernel writes at most as many bytes as said; what is no socket is an error.
    let result = unsafe { ask(fd, address.as_mut_ptr().cast(), &raw mut len) };
    // SAFETY: zeroed, and numbers only.
    let address = unsafe { address.assume_init() };
    if result != 0 || c_int::from(address.sun_family) != libc::AF_UNIX {
        return None;
    }
    let bytes = address.sun_path.iter().map(|byte| byte.cast_unsigned());
    let name: Vec<u8> = bytes.skip_while(|byte| *byte == 0).take_while(|byte| *byte != 0).collect();
    (!name.is_empty()).then_some(name)
}

fn is_listening(fd: c_int) -> bool {
    let (mut value, mut len) = (0 as c_int, libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or(4));
    let into = (&raw mut value).cast();
    // SAFETY: the kernel writes one number.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, into, &raw mut len) };
    result == 0 && value != 0
}

fn has_other_end(fd: c_int) -> bool {
    let mut asked = libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one structure, and no wait.
    let result = unsafe { libc::poll(&raw mut asked, 1, 0) };
    result == 0 || asked.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_connection_is_whole_until_either_end_goes() {
        let path = std::env::temp_dir().join(format!("wirewarden-memif-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        let text = format!("net_memif0,role=client,socket={},socket-abstract=no", path.display());
        let socket = ControlSocket::of(&text.parse().unwrap()).unwrap();
        assert!(!socket.is_connected());
        let listener = UnixListener::bind(&path).unwrap();
        assert!(!socket.is_connected(), "one that listens is no connection");
        let client = UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(socket.is_connected());
        drop(server);
        assert!(!socket.is_connected(), "the client has lost its other end");
        drop(client);
        fs::remove_file(&path).unwrap();
        assert!(ControlSocket::of(&"net_null0".parse().unwrap()).is_none());
    }
}
