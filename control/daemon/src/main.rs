//! `wirewardend`: owns the configuration, keeps the data plane running, and answers those who ask. It is never in the way
//! of a packet: the data plane runs on without it, and a daemon that is started again takes it over.

#![forbid(unsafe_code)]

mod breaker;
mod clock;
mod connections;
mod desk;
mod files;
mod guard;
mod health;
mod history;
mod http;
mod log;
mod plane;
mod roles;
mod socket;
mod starved;
mod supervise;
mod tokens;
mod tunnels;
mod turns;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use api::control::{DAEMON_SOCKET, DATAPLANE_SOCKET, RUN_DIRECTORY, Reason};
use clap::Parser;
use confinement::{Capabilities, Confinement, Files, InForce, Kept, Programs};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use clock::{Clock, SystemClock};
use desk::Desk;
use health::Components;
use history::Store;
use http::{Listening, Tls};
use log::LogFormat;
use plane::Plane;
use roles::{Roles, Who};
use supervise::{Launch, Supervisor, Watched};
use tokens::TokenStore;
use tunnels::Tunnels;
use turns::Turns;

/// Exit codes, the same in every program of the project.
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
/// Descriptors for connections over HTTP and the socket, and what else there is.
const DESCRIPTORS: u64 = 4096;

/// Keeps the data plane running, owns its configuration, and answers the command line and HTTP.
#[derive(Debug, Parser)]
#[command(name = "wirewardend", version, max_term_width = 100, after_help = EXAMPLES)]
struct Args {
    /// The configuration for the first start; after that the history in the state directory counts
    #[arg(short, long, value_name = "FILE", default_value = "/etc/wirewarden/wirewarden.toml")]
    config: PathBuf,

    /// Where the history of the configuration and the tokens are kept
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY", default_value = "/var/lib/wirewarden")]
    state: PathBuf,

    /// Where the sockets are
    #[arg(long, value_name = "DIR", env = "RUNTIME_DIRECTORY", default_value = RUN_DIRECTORY)]
    run: PathBuf,

    /// The data plane; the one beside this program by default
    #[arg(long, value_name = "PROGRAM", conflicts_with = "external")]
    dataplane: Option<PathBuf>,

    /// Somebody else starts the data plane (a unit of its own): it is watched, and killed when it is stuck
    #[arg(long)]
    external: bool,

    /// What the data plane tells is added to this file instead of standard error
    #[arg(long, value_name = "FILE", conflicts_with = "external")]
    dataplane_log: Option<PathBuf>,

    /// Where HTTP listens; elsewhere than on loopback only with TLS and tokens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9480")]
    listen: SocketAddr,

    /// Do not listen for HTTP
    #[arg(long)]
    no_http: bool,

    /// Certificates (PEM), the own one first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Requests per second that each who asks by HTTP may make
    #[arg(long, value_name = "N", default_value_t = 2000)]
    rate_limit: u32,

    /// Users, numbers and @groups that may do everything; root and the user of this program always may
    #[arg(long, value_name = "WHO")]
    administrator: Vec<Who>,

    /// Users, numbers and @groups that may change live settings
    #[arg(long, value_name = "WHO")]
    operator: Vec<Who>,

    /// Users, numbers and @groups that may look
    #[arg(long, value_name = "WHO")]
    viewer: Vec<Who>,

    /// Give nothing up: no Landlock, no seccomp, every capability kept. The reason is logged and shown in the status
    #[arg(long, value_name = "REASON")]
    unconfined: Option<String>,

    /// How the log is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,

    /// What is logged, whatever `live.log.level` says: error, warn, info, debug, trace, or a filter of tracing
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  wirewardend -c /etc/wirewarden/wirewarden.toml --operator @netops --viewer @staff
  wirewardend --external --log-format json
  wirewardend --listen 192.0.2.1:9480 --tls-certificate box.pem --tls-key box.key

Exit codes: 0 ok, 2 command line or configuration, 3 a socket, folder or address cannot be had.";

fn main() -> ExitCode {
    let args = Args::parse();
    let level = match log::start(args.log_format, args.log_level.as_deref()) {
        Ok(level) => level,
        Err(error) => return fail(USAGE, &error),
    };
    allow_descriptors();
    // Before there are other threads: each is bound by what the one that starts it is.
    let confinement = confine(&args).to_string();
    tracing::info!(confinement, "what this program gave up");
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(UNREACHABLE, &error.to_string()),
    };
    let ended = runtime.block_on(run(args, level, confinement));
    // The data plane runs on; nothing here is worth waiting for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => fail(code, &message),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "wirewardend: {message}");
    ExitCode::from(code)
}

type Failed = (u8, String);

/// Gives up what the daemon does not need. What starts the data plane binds it, too: then files are left to the data plane's
/// own confinement.
fn confine(args: &Args) -> InForce {
    if let Some(why) = &args.unconfined {
        return InForce::nothing(why);
    }
    let mut paths = vec![args.state.clone(), args.run.clone()];
    paths.extend([&args.tls_certificate, &args.tls_key].into_iter().flatten().cloned());
    let own = OWN_CAPABILITIES | confinement::for_files(&paths);
    if !args.external {
        let why = "the data plane that it starts would be bound, too: see --external".to_owned();
        let capabilities = Kept { own, handed_on: HANDED_ON };
        return Confinement {
            files: Files::Anywhere(why),
            programs: Programs::Any,
            maps: true,
            capabilities,
        }
        .enter();
    }
    for folder in [&args.state, &args.run] {
        // What is wrong with it is told where it is used.
        let _ = std::fs::create_dir_all(folder);
    }
    let files = Files::Below(vec![args.state.clone(), args.run.clone()]);
    let capabilities = Kept::only(own | Capabilities::KILL);
    Confinement { files, programs: Programs::None, maps: false, capabilities }.enter()
}

/// What the daemon itself uses: ports below 1,024 for HTTP and for tunnels, which a live change may add, and memory that is
/// never swapped, because keys are in it. Of one that watches a data plane of another user, also the means to end it.
const OWN_CAPABILITIES: Capabilities = Capabilities::NET_BIND_SERVICE.union(Capabilities::IPC_LOCK);

/// What a data plane may need that the daemon starts, whatever its ports will be; it gives up itself what it does not.
const HANDED_ON: Capabilities = Capabilities::NET_ADMIN
    .union(Capabilities::NET_RAW)
    .union(Capabilities::BPF)
    .union(Capabilities::PERFMON)
    .union(Capabilities::IPC_LOCK)
    .union(Capabilities::SYS_RESOURCE)
    .union(Capabilities::SYS_RAWIO)
    .union(Capabilities::SYS_ADMIN)
    .union(Capabilities::DAC_OVERRIDE)
    .union(Capabilities::DAC_READ_SEARCH)
    .union(Capabilities::FOWNER);

/// Descriptors enough for every connection that is allowed: the usual limit of 1,024 is less.
fn allow_descriptors() {
    let own = getrlimit(Resource::Nofile);
    let wanted = Some(DESCRIPTORS.min(own.maximum.unwrap_or(DESCRIPTORS)));
    if own.current < wanted && own.current.is_some() {
        // With fewer, those that come last are turned away.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: wanted, ..own });
    }
}

/// What to do where nothing can be listened on.
const fn mend_of_listening(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "; another program listens there (`ss -ltnp` names it): give another port with --listen, or --no-http"
        }
        io::ErrorKind::AddrNotAvailable => "; no interface has this address: see `ip address`, and --listen",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1,024 take the capability CAP_NET_BIND_SERVICE: give another with --listen"
        }
        _ => "",
    }
}

async fn run(args: Args, level: log::Level, confinement: String) -> Result<(), Failed> {
    let unreachable = |what: &str, error: &dyn std::fmt::Display| (UNREACHABLE, format!("{what}: {error}"));
    std::fs::create_dir_all(&args.run)
        .map_err(|error| unreachable(&args.run.display().to_string(), &error))?;
    let path = args.run.join(DAEMON_SOCKET);
    // Before anything is touched: another daemon may own it.
    let bound =
        socket::Bound::new(&path).map_err(|error| unreachable(&path.display().to_string(), &error))?;
    let tls = args.tls_certificate.clone().zip(args.tls_key.clone());
    let tls = tls.map(|(certificate, key)| Tls { certificate, key });
    let listening = match args.no_http {
        true => None,
        false => Some(Listening::on(args.listen, tls.as_ref()).await.map_err(|error| {
            let code = if error.kind() == io::ErrorKind::InvalidInput { USAGE } else { UNREACHABLE };
            (code, format!("{}: {error}{}", args.listen, mend_of_listening(error.kind())))
        })?),
    };
    let (desk, supervisor) = set_up(&args, level, confinement)?;
    if let Some(listening) = listening {
        let address = listening.address().map_err(|error| unreachable("HTTP", &error))?;
        tracing::info!(%address, "listening for HTTP");
        tokio::spawn(http::serve(listening, http::router(Arc::clone(&desk), args.rate_limit)));
    }
    let roles = Roles {
        administrators: args.administrator.clone(),
        operators: args.operator.clone(),
        viewers: args.viewer.clone(),
    };
    tokio::spawn(bound.serve(Arc::clone(&desk), roles));
    tokio::spawn(supervisor.run());
    let timing = Arc::clone(&desk);
    tokio::spawn(async move { timing.keep_time().await });
    tracing::info!(socket = %path.display(), revision = desk.store.lock().await.revision(), "wirewardend runs");
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| unreachable("signals", &error))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| unreachable("signals", &error))?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    tracing::info!("wirewardend ends; the data plane runs on");
    Ok(())
}

/// Everything that answers, and what keeps the data plane running.
fn set_up(
    args: &Args,
    level: log::Level,
    confinement: String,
) -> Result<(Arc<Desk>, Supervisor<Arc<Desk>>), Failed> {
    let failed = |reason: Reason| match reason {
        Reason::Config { .. } => (USAGE, reason.to_string()),
        _ => (UNREACHABLE, reason.to_string()),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = args.config.display().to_string();
    let has_history = args.state.join("state.json").exists();
    let first = match std::fs::read_to_string(&args.config) {
        Ok(text) => text,
        // Once there is a history, the file is not needed.
        Err(_) if has_history => String::new(),
        Err(error) => return Err((USAGE, format!("{source}: {error}"))),
    };
    let store = Store::open(&args.state, Arc::clone(&clock), (&first, &source)).map_err(failed)?;
    level.follow(store.running().config.live.log.level);
    if !first.is_empty() && first != store.running().text {
        tracing::info!(
            "the running configuration, revision {}, is another than {source}: `wirewarden config apply {source}` takes it into use",
            store.revision()
        );
    }
    let tokens = TokenStore::open(args.state.join("tokens.json"), Arc::clone(&clock)).map_err(failed)?;
    let program = match args.external {
        true => None,
        false => Some(args.dataplane.clone().unwrap_or_else(beside)),
    };
    let launch = Launch {
        program,
        config: store.running_file(),
        safe_mode_file: args.state.join("safe-mode"),
        on_kernel_file: args.state.join("on-kernel"),
        // Not with the state: what can be made again must not fill its disk.
        cache: std::env::var_os("CACHE_DIRECTORY").map_or_else(|| args.run.join("cache"), PathBuf::from),
        log: args.dataplane_log.clone(),
    };
    let components = Arc::new(Components::new(Arc::clone(&clock)));
    let dataplane_socket = args.run.join(DATAPLANE_SOCKET);
    let keys = api::tunnel::socket_beside(&dataplane_socket);
    let tunnels = Tunnels::start(keys, Arc::clone(&components), Arc::clone(&clock))
        .map_err(|error| (UNREACHABLE, format!("the thread of tunnels: {error}")))?;
    tunnels.configure(&store.running().config.live.tunnel);
    let desk = Arc::new(Desk {
        components,
        started: Instant::now(),
        level,
        confinement,
        store: Mutex::new(store),
        turns: Turns::default(),
        tokens: Mutex::new(tokens),
        plane: Arc::new(Plane::new(dataplane_socket)),
        tunnels,
        watched: Arc::new(Watched::default()),
    });
    let supervisor = Supervisor {
        launch,
        plane: Arc::clone(&desk.plane),
        watched: Arc::clone(&desk.watched),
        components: Arc::clone(&desk.components),
        clock,
        listener: Arc::clone(&desk),
    };
    Ok((desk, supervisor))
}

/// The data plane beside this program.
fn beside() -> PathBuf {
    let folder = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    folder.unwrap_or_default().join("wirewarden-dataplane")
}
