//! Listening: connections in, with limits on what each may cost.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::gate::Origin;
use crate::connections::{Connections, Place};

/// Connections at once.
const CONNECTIONS: usize = 1024;
/// How long the head of a request may take, from the first byte or the last answer.
const HEAD: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Bytes of a head: its line and all its headers.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file that holds no certificate or key.
    #[error("{}: {source}", path.display())]
    Pem { path: PathBuf, source: rustls_pki_types::pem::Error },
    /// A certificate and a key that do not belong together, say.
    #[error("{}: {source}", path.display())]
    Certificate { path: PathBuf, source: rustls::Error },
}

impl Tls {
    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(&self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(pem(&self.key))?;
        let certificate = |source| TlsError::Certificate { path: self.certificate.clone(), source };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(certificate)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(certificate)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A listener that may be there: on loopback, or with TLS.
pub(crate) struct Listening {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    is_loopback: bool,
}

impl Listening {
    /// Listens. Elsewhere than on loopback that takes TLS; tokens are then asked of everybody.
    pub(crate) async fn on(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Self> {
        let is_loopback = address.ip().is_loopback();
        if !is_loopback && tls.is_none() {
            let message = format!(
                "{address} is not on loopback: that takes --tls-certificate and --tls-key, and a token for who asks"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let tls = tls.map(Tls::acceptor).transpose();
        let tls = tls.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, tls, is_loopback })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Answers until the program ends.
pub(crate) async fn serve(listening: Listening, router: Router) {
    let connections = Connections::new(CONNECTIONS);
    loop {
        let (stream, address) = match listening.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // All busy: whoever comes now is let go, and may come again.
        let Some(place) = connections.place() else { continue };
        let origin = Origin { address, is_loopback: listening.is_loopback };
        let (tls, router) = (listening.tls.clone(), router.clone());
        tokio::spawn(async move {
            let place = Arc::new(place);
            tokio::select! {
                () = talk(stream, tls, router, origin, &place) => {}
                () = place.open.leave.notified() => {}
            }
        });
    }
}

async fn talk(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    origin: Origin,
    place: &Arc<Place>,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, router, origin, place).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, router, origin, place).await,
            Ok(Err(error)) => tracing::debug!(%error, from = %origin.address, "no TLS"),
            Err(_) => tracing::debug!(from = %origin.address, "a TLS handshake took too long"),
        },
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    origin: Origin,
    place: &Arc<Place>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (router, place) = (router.clone(), Arc::clone(place));
        async move {
            place.open.set_busy(true);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(origin);
            let response = router.oneshot(request).await;
            place.open.set_busy(false);
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, from = %origin.address, "a connection ended");
    }
}
