//! A server process: started on a free port, awaited, and ended with the test that has it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use serde_json::Value;

use crate::client::Client;
use crate::model;
use crate::poll::until;

/// A running `pad serve`. Dropping it ends the process.
pub struct Server {
    child: Mutex<Child>,
    minder: Mutex<Minder>,
    log: Arc<Mutex<String>>,
    address: String,
}

impl Server {
    /// Start with these flags and environment variables, and wait until requests are taken. The reward model is the prompted one
    /// where they name no other.
    pub fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_as(model::pad(), flags, variables)
    }

    /// The same where the process may have so many files open.
    pub fn limited(files: usize, variables: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]).arg(model::pad().get_program());
        Self::start_as(shell, &[], variables)
    }

    /// The same where no file of the process may become larger than so many KiB, as if the disk were full; until [`Self::give_room`].
    pub fn on_a_small_disk(kib: usize, variables: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("bash");
        let limited = format!("trap '' XFSZ; ulimit -Sf {kib}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limited]).arg(model::pad().get_program());
        Self::start_as(shell, &[], variables)
    }

    /// The same where nobody reads the log.
    pub fn unheard(variables: &[(&str, &str)]) -> Self {
        let (mut shell, pad) = (Command::new("bash"), model::pad());
        shell.args(["-c", "exec \"$0\" \"$@\" 2> >(true)"]).arg(pad.get_program());
        shell.envs(pad.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::start_as(shell, &[], variables)
    }

    /// Let its files grow again.
    pub fn give_room(&self) {
        let id = self.child.lock().expect("the process").id().to_string();
        let given = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status().expect("prlimit runs");
        assert!(given.success(), "the process is there");
    }

    fn start_as(mut command: Command, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        model::fetched();
        command.args(["serve", "--host", "127.0.0.1", "--port", "0"]).args(flags);
        command.env("PAD_REWARD", "prompted").env("PAD_STORE__URL", "memory").envs(variables.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("a pipe"), &log);
        collect(child.stderr.take().expect("a pipe"), &log);
        let minder = Minder::of(child.id());
        let mut server = Self { child: Mutex::new(child), minder: Mutex::new(minder), log, address: String::new() };
        server.address = until("the server says where it listens", || {
            assert!(server.exit_status().is_none(), "the server ended: {}", server.log());
            address_in(&server.log())
        });
        let client = server.client();
        until("the server is ready", || (client.get("/ready").status == 200).then_some(()));
        server
    }

    /// The server with the settings that hold when nothing is said, but for the prompted reward model, shared by all tests that leave
    /// no trace in it.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[], &[]))
    }

    /// The same in the arithmetic of the reference.
    pub fn reference() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&["--dtype", "f32"], &[]))
    }

    /// The server with the reward model that comes with the program, in the arithmetic that holds when nothing is said.
    pub fn shipped() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&["--reward", "auto"], &[]))
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The engine's figures.
    pub fn engine(&self) -> Value {
        self.client().get("/health").json()["engine"].take()
    }

    /// Everything that the process has written so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Ask the process to stop.
    pub fn terminate(&self) {
        let id = self.child.lock().expect("the process").id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "the process is there");
    }

    /// How the process ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().expect("the process").try_wait().expect("its state")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.minder.get_mut().expect("the minder").dismiss();
        let child = self.child.get_mut().expect("the process");
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Ends a process when the tests' process is gone: a shared server is never dropped.
pub struct Minder {
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Minder {
    /// A shell that waits for the end of its input, which is the end of this process, however it comes.
    pub fn of(server: u32) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "read -r line; kill -KILL \"$1\"", "minder", &server.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        Self { _stdin: child.stdin.take(), child }
    }

    /// Do nothing any more.
    pub fn dismiss(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Read an output to its end on a thread of its own, so that the process never waits for a reader.
fn collect(output: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("the log");
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The address in a line such as `listening on http://127.0.0.1:8080`; only whole lines are in a log.
fn address_in(log: &str) -> Option<String> {
    let at = log.find("http://127.0.0.1:")? + "http://".len();
    let end = log[at..].find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).map_or(log.len(), |end| at + end);
    Some(log[at..end].to_owned())
}
