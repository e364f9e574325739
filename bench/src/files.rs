//! The cost of large files: how much memory the server needs for one upload and for many at once, and how fast it sends
//! a file over one connection, beside nginx, which sends the same file from the same disk.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::try_join_all;
use meowsenger_client::Server as Site;
use reqwest::{Client, header};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::User;
use crate::server::{self, Server};
use crate::{Result, say, warn};

const BOUNDARY: &str = "between-the-parts";
const MIB: usize = 1_048_576;
/// How long nginx may take to listen.
const START: Duration = Duration::from_secs(5);

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// The size of a file, in MiB
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(2..=25))]
    size: u16,
    /// Uploads at once
    #[arg(long, default_value_t = 50)]
    uploads: usize,
    /// How often the file is downloaded in each of three rounds
    #[arg(long, default_value_t = 20)]
    downloads: usize,
    /// How much one upload may raise the memory, in KiB
    #[arg(long, default_value_t = 1_024)]
    max_grown: u64,
    /// The least part of nginx's rate
    #[arg(long, default_value_t = 0.5)]
    min_ratio: f64,
    /// The program of nginx; without it, downloads are not compared
    #[arg(long, default_value = "nginx", env = "NGINX")]
    nginx: PathBuf,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Whether all limits were kept.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let server = server::start(arguments.server.as_deref(), folder.path())?;
    let user = User::register(&Site::new(&server.url), "archivist").await?;
    let upload =
        Upload { http: Client::new(), url: format!("{}/api/attachments/", server.url), user };
    let content = noise(usize::from(arguments.size) * MIB);
    fs::write(folder.path().join("sample"), &content)?;

    // What the first upload of all needs remains allocated.
    upload.send(&content[..MIB]).await?;
    let (id, grown) = measured(&server, upload.send(&content)).await?;
    say(&format!("an upload of {} MiB: memory grown by {grown} KiB", arguments.size));
    let start = Instant::now();
    let many = try_join_all((0..arguments.uploads).map(|_| upload.send(&content)));
    let (_, grown_by_many) = measured(&server, many).await?;
    let rate = arguments.uploads as f64 * content.len() as f64 / start.elapsed().as_secs_f64();
    say(&format!(
        "{} uploads at once: memory grown by {grown_by_many} KiB, {:.0} MiB/s",
        arguments.uploads,
        rate / MIB as f64
    ));

    let ours = upload.user.request(upload.http.get(format!("{}{id}/", upload.url)));
    let nginx = Nginx::start(&arguments.nginx, folder.path()).await?;
    let Some(nginx) = nginx else {
        warn("there is no nginx: downloads are not compared");
        return Ok(grown <= arguments.max_grown);
    };
    let theirs = upload.http.get(format!("http://127.0.0.1:{}/sample", nginx.port));
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let ours = download(&ours, arguments.downloads, content.len()).await?;
        let theirs = download(&theirs, arguments.downloads, content.len()).await?;
        say(&format!("downloads: {ours:.0} MiB/s, nginx {theirs:.0} MiB/s"));
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    say(&format!("ratio {:.2}", ratios[1]));
    Ok(grown <= arguments.max_grown && ratios[1] >= arguments.min_ratio)
}

/// Somebody who uploads.
struct Upload {
    http: Client,
    url: String,
    user: User,
}

impl Upload {
    /// Uploads a file and returns its id.
    async fn send(&self, content: &[u8]) -> Result<i64> {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"noise\"\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let body = [head.as_bytes(), content, tail.as_bytes()].concat();
        let form = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = self.user.request(self.http.post(&self.url));
        let answer = request.header(header::CONTENT_TYPE, form).body(body).send().await?;
        let status = answer.status();
        let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
        answer["id"].as_i64().ok_or_else(|| format!("{status}: {answer}").into())
    }
}

/// The result of some work, and by how many KiB the server's memory was higher meanwhile than before.
async fn measured<T>(server: &Server, work: impl Future<Output = Result<T>>) -> Result<(T, u64)> {
    // From here on the kernel notes the peak anew (`proc_pid_clear_refs(5)`).
    fs::write(format!("/proc/{}/clear_refs", server.pid()?), "5")?;
    let before = server.memory()?.resident;
    let result = work.await?;
    Ok((result, server.memory()?.peak.saturating_sub(before)))
}

/// Downloads a file some times over one connection. Returns MiB a second.
async fn download(request: &reqwest::RequestBuilder, times: usize, size: usize) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..times {
        let request = request.try_clone().ok_or("a request that cannot be repeated")?;
        let mut answer = request.send().await?.error_for_status()?;
        let mut received = 0;
        while let Some(chunk) = answer.chunk().await? {
            received += chunk.len();
        }
        if received != size {
            return Err(format!("{received} bytes instead of {size}").into());
        }
    }
    Ok((times * size) as f64 / MIB as f64 / start.elapsed().as_secs_f64())
}

/// Bytes that no program takes for a picture or a text.
fn noise(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(8);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}

/// An nginx that serves a folder. It is killed when it is dropped.
struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    /// Starts it. `None` if there is no such program.
    async fn start(program: &Path, folder: &Path) -> Result<Option<Self>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.display();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths: String = paths.map(|name| format!("{name}_temp_path {at}/{name};")).concat();
        // As root, it would otherwise read files as another user. Everybody else's nginx ignores the line.
        let text = format!(
            "user root; daemon off; worker_processes 1; pid {at}/nginx.pid; error_log stderr error;\n\
             events {{}} http {{ access_log off; sendfile on; tcp_nopush on; {paths}\n\
             server {{ listen 127.0.0.1:{port}; root {at}; }} }}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text)?;
        let mut command = Command::new(program);
        let command = command.arg("-c").arg(&file).stdout(Stdio::null());
        let Ok(process) = command.spawn() else { return Ok(None) };
        let nginx = Self { process, port };
        let deadline = Instant::now() + START;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                return Err("nginx does not listen".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Some(nginx))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it.
        if let Ok(pid) = i32::try_from(self.process.id()) {
            let terminate = nix::sys::signal::Signal::SIGTERM;
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), terminate).ok();
        }
        self.process.wait().ok();
    }
}
