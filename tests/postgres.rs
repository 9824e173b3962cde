//! A real PostgreSQL: Debian's, in a folder and on a port of its own, ended with the test that has it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::poll::until;
use crate::server::Minder;

/// Where Debian puts the programs of each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The account of Debian's package. PostgreSQL does not run as root, as which tests may run.
const ACCOUNT: &str = "postgres";
/// Ports of which nobody gets one without asking for it.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A database server with an empty database.
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    running: Option<(Child, Minder)>,
}

impl Postgres {
    /// Make the database and start the server.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed: what it keeps is not tested then.
    pub fn start() -> Self {
        let programs = newest().unwrap_or_else(|| {
            panic!(
                "PostgreSQL is not installed, so nothing shows that the store works on it: apt-get install postgresql"
            )
        });
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).expect("its mode");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        if is_root() {
            let owned = Command::new("chown").arg(ACCOUNT).arg(&data).status().expect("chown runs");
            assert!(owned.success(), "the account `{ACCOUNT}` of Debian's package is there");
        }
        let mut made = as_somebody(&programs.join("initdb"));
        made.args(["--no-sync", "--auth=trust", "--username=pad", "--encoding=UTF8", "--locale=C", "--pgdata"]);
        let made = made.arg(&data).output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = Self { folder, programs, port: free_port(), running: None };
        postgres.go_on();
        postgres
    }

    /// Its address for `store.url`.
    pub fn url(&self) -> String {
        format!("postgres://pad@127.0.0.1:{}/postgres", self.port)
    }

    /// Start again after [`Postgres::stop`].
    pub fn go_on(&mut self) {
        let data = self.folder.path().join("data");
        let mut server = as_somebody(&self.programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&data).args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        let child = server.args(["-c", "fsync=off"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().expect("postgres runs");
        let minder = Minder::of(child.id());
        self.running = Some((child, minder));
        until("PostgreSQL answers", || {
            let ended = self.running.as_mut().and_then(|(child, _)| child.try_wait().expect("its state"));
            assert!(ended.is_none(), "PostgreSQL ended: {ended:?}");
            self.query("SELECT 1")
        });
    }

    /// Stop at once: connections break.
    pub fn stop(&mut self) {
        let Some((mut child, mut minder)) = self.running.take() else { return };
        minder.dismiss();
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the process is there");
        child.wait().expect("it ends");
    }

    /// What a statement gives, or nothing if it fails.
    pub fn query(&self, statement: &str) -> Option<String> {
        let output = self.psql(statement).stderr(Stdio::null()).output().expect("psql runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Run statements until the returned process is ended.
    pub fn session(&self, statements: &str) -> Child {
        self.psql(statements).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql runs")
    }

    fn psql(&self, statements: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "pad",
            "-At",
            "-d",
            "postgres",
            "-c",
            statements,
        ]);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder of the newest version that is installed.
fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?.flatten().map(|entry| entry.path().join("bin"));
    versions.filter(|folder| folder.join("initdb").is_file()).max()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout.trim_ascii() == b"0"
}

/// The program as an account that is not root.
fn as_somebody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={ACCOUNT}"), &format!("--regid={ACCOUNT}"), "--clear-groups"]).arg(program);
    command
}

fn free_port() -> u16 {
    let start = PORTS.start + (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
    let ports = (start..PORTS.end).chain(PORTS.start..start);
    ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
