//! `check`: what it finds, and that a failed connection names its server and the cause.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use meowsenger::auth::secrets::random_hex;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{KEY, Ran, Running, Shell, postgres};

const DOCUMENTED: &str = include_str!("../../docs/checks.md");
const NOWHERE: &str = "127.0.0.1:1";

trait Findings {
    /// Asserts that these findings are reported, and no others. Each is in the documentation.
    fn finds(self, ids: &[&str]) -> Self;
}

impl Findings for Ran {
    #[track_caller]
    fn finds(self, ids: &[&str]) -> Self {
        let found = self.out.split("(").filter_map(|rest| rest.split_once(")")).map(|(id, _)| id);
        let mut found: Vec<_> = found.filter(|id| id.contains(['.'])).collect();
        let (mut ids, text) = (ids.to_vec(), format!("{self:#?}"));
        found.sort_unstable();
        ids.sort_unstable();
        assert_eq!(found, ids, "{text}");
        assert!(ids.iter().all(|id| DOCUMENTED.contains(&format!("`{id}`"))), "{ids:?}");
        self
    }
}

/// A mail server that accepts everything.
fn mail_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            client.write_all(b"220 mail ESMTP\r\n").ok();
            let lines = BufReader::new(client.try_clone().expect("cloned")).lines();
            for _ in lines.map_while(Result::ok) {
                client.write_all(b"250 mail\r\n").ok();
            }
        }
    });
    url
}

#[test]
fn every_finding_is_documented() {
    let ids = |text: &str| -> BTreeSet<String> {
        let words = text.split(['`', '"']);
        let is_id = |word: &&str| {
            let number = word.split_once('.').map_or("", |(_, number)| number);
            number.len() == 4 && number.starts_with(['E', 'W']) && !word.contains(' ')
        };
        words.filter(is_id).map(str::to_owned).collect()
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/check");
    let files =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let code: String = files.map(|file| fs::read_to_string(file).expect("code")).collect();
    assert!(ids(&code).len() > 30);
    assert_eq!(ids(&code), ids(DOCUMENTED));
}

#[test]
fn check_says_what_is_unsafe() {
    let shell = Shell::new();
    shell.run(&["check"], &[]).expect(0).says(&["no issues (0 silenced)"]);
    assert!(fs::read_dir(shell.path()).unwrap().next().is_none(), "a check makes nothing");
    let deploy = |settings: &[(&str, &str)]| shell.run(&["check", "--deploy"], settings);
    let always = ["security.W004", "security.W101", "security.W103", "security.W105"];
    let with = |more: &[&'static str]| [&always, more].concat();
    let debug = deploy(&[("DEBUG", "true"), ("ALLOWED_HOSTS", "*")]).expect(1);
    debug.finds(&with(&["security.W018", "security.W020"])).says(&["WARNINGS:", "HINT: "]);

    let mail = mail_server();
    let safe = [
        ("PUBLIC_URL", "https://chat.example.org"),
        ("ALLOWED_HOSTS", "chat.example.org"),
        ("SECURE_HSTS_SECONDS", "3600"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("EMAIL_URL", &mail),
    ];
    deploy(&[&safe[..], &[("METRICS_BIND", "10.0.3.7:9464")]].concat()).expect(0);
    deploy(&safe).expect(0).says(&["no issues"]);
    for (name, value, id) in [
        ("PUBLIC_URL", "http://chat.example.org", "security.W102"),
        ("SECURE_HSTS_SECONDS", "0", "security.W004"),
        ("SECRET_KEY", &"ab".repeat(30), "security.W009"),
        ("SECRET_KEY", KEY.1, "security.W009"),
        ("TRUSTED_PROXIES", "", "security.W103"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 0.0.0.0/0", "security.W104"),
        ("EMAIL_URL", "", "security.W105"),
        ("CORS_ALLOWED_ORIGINS", "http://x.org", "security.W106"),
        ("CORS_ALLOWED_ORIGINS", "null", "security.W119"),
        ("LOG_ACCOUNTS", "name", "security.W118"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.org:4318", "security.W120"),
        ("THROTTLE", "off", "security.W111"),
        ("THROTTLE_LOGIN", "off", "security.W111"),
        ("ACCESS_TOKEN_LIFETIME", "2d", "security.W112"),
        ("PASSWORD_RESET_TIMEOUT", "30d", "security.W112"),
        ("METRICS_BIND", "0.0.0.0:9464", "security.W113"),
        ("ALLOWED_HOSTS", ".example.com", "settings.E101"),
    ] {
        let settings = [&safe[..], &[(name, value)]].concat();
        deploy(&settings).expect(1).finds(&[id]).says(&[name]);
        let silenced = [&settings[..], &[("SILENCED_SYSTEM_CHECKS", id)]].concat();
        deploy(&silenced).expect(0).says(&["no issues (1 silenced)"]);
    }
}

#[test]
fn check_finds_what_crosses_a_network_unencrypted_or_is_easy_to_guess() {
    let shell = Shell::new();
    let deploy = |settings: &[(&str, &str)], ids: &[&str]| {
        let silenced = ids.join(",");
        let settings = [settings, &[("DATABASE_CONNECT_TIMEOUT", "1s")]].concat();
        let found = shell.run(&["check", "--deploy"], &settings).expect(1).out;
        for id in ids {
            assert!(found.contains(&format!("({id})")), "no {id}: {found}");
        }
        assert!(!found.contains("hunter2"), "{found}");
        let rest = [&settings[..], &[("SILENCED_SYSTEM_CHECKS", &silenced)]].concat();
        let rest = shell.run(&["check", "--deploy"], &rest).out;
        assert!(!ids.iter().any(|id| rest.contains(&format!("({id})"))), "{rest}");
        found
    };
    let key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let key = ("SECRET_KEY", key);
    let far = "no-such-host.invalid";
    let url = format!("postgres://meow:hunter2@{far}/meow");
    deploy(&[("DATABASE_URL", &url), key], &["security.W108", "security.W116", "services.E101"]);
    let bus = format!("nats://{far}");
    deploy(&[("BUS_URL", &bus)], &["security.W109", "security.W117", "services.E103"]);
    let bus = format!("tls://meow:hunter2@{far}");
    let found = deploy(&[("BUS_URL", &bus)], &["security.W116", "services.E103"]);
    assert!(!found.contains("(security.W109)") && !found.contains("(security.W117)"), "{found}");
    let mail = format!("smtp://meow:hunter2@{far}");
    deploy(&[("EMAIL_URL", &mail)], &["security.W107", "services.E104"]);
    let bucket = format!("s3://cats?region=x&allow_http=true&endpoint=http://{far}");
    let bucket = format!("{bucket}&access_key_id=x&secret_access_key=hunter2");
    deploy(&[("MEDIA_URL", &bucket)], &["security.W110", "services.E105"]);
    let found = deploy(&[("BIND", "0.0.0.0:8000")], &["security.W103"]);
    assert!(found.contains("BIND is not loopback"), "{found}");
}

#[tokio::test]
async fn check_finds_a_database_server_that_can_lose_data_and_a_superuser() {
    let Some(server) = postgres() else { return };
    let mut admin = PgConnection::connect(&server).await.expect("connected");
    let role = format!("meow_{}", random_hex::<8>().expect("random"));
    let run = async |admin: &mut PgConnection, sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await.expect("run");
    };
    let shell = Shell::new();
    let found = |user: &str| {
        let mut url = url::Url::parse(&server).expect("a URL");
        url.set_username(user).expect("set");
        url.set_password(Some("kR8ybO0n-x")).expect("set");
        shell.run(&["check", "--deploy"], &[("DATABASE_URL", url.as_str()), KEY]).expect(1).out
    };
    // The tests' server does not flush; another one may.
    let show =
        sqlx::query_as("select current_setting('fsync'), current_setting('full_page_writes')");
    let is_on: (String, String) = show.fetch_one(&mut admin).await.expect("read");
    let superuser = found("postgres");
    for (name, is_on) in [("fsync", is_on.0), ("full_page_writes", is_on.1)] {
        let finding = format!("(security.W114) PostgreSQL's {name} is off");
        assert_eq!(superuser.contains(&finding), is_on == "off", "{superuser}");
    }
    assert!(superuser.contains("(security.W115)"), "{superuser}");
    run(&mut admin, format!("create role {role} login password 'kR8ybO0n-x'")).await;
    let other = found(&role);
    run(&mut admin, format!("drop role {role}")).await;
    assert!(other.contains("(services.E102)") && !other.contains("(security.W115)"), "{other}");
}

#[test]
fn check_finds_misspelt_names_and_settings_without_effect() {
    let shell = Shell::new();
    let check = |settings: &[(&str, &str)]| shell.run(&["check"], settings);
    let typo = check(&[("ALLOWED_HOST", "x"), ("HOME", "/")]).expect(1).finds(&["settings.W101"]);
    typo.says(&["ALLOWED_HOST is set", "Did you mean ALLOWED_HOSTS?"]);
    fs::write(shell.path().join(".env"), "PUBILC_ULR=x\nPOSTGRES_PASSWORD=x\nLOG_LEVEL=info\n")
        .unwrap();
    let unknown = check(&[]).expect(1).finds(&["settings.W102", "settings.W102"]);
    unknown.says(&["Did you mean PUBLIC_URL?", "POSTGRES_PASSWORD"]);
    fs::remove_file(shell.path().join(".env")).unwrap();

    for (name, value) in [
        ("DATABASE_POOL_SIZE", "5"),
        ("BUS_TLS_CA", "/x"),
        ("EMAIL_FROM", "a@b.org"),
        ("SECURE_HSTS_SECONDS", "60"),
        ("LOG_KEEP", "7"),
    ] {
        check(&[(name, value)]).expect(1).finds(&["settings.W103"]).says(&[name]);
    }
    let off = [("THROTTLE", "off"), ("THROTTLE_LOGIN", "5/min")];
    check(&off).expect(1).finds(&["settings.W103"]).says(&["THROTTLE is off"]);
    let long = [("REFRESH_TOKEN_LIFETIME", "90d"), ("SESSION_MAX_AGE", "30d")];
    check(&long).expect(1).finds(&["settings.W104"]);
}

#[test]
fn check_finds_files_that_others_can_read() {
    let shell = Shell::new();
    drop(Running::start(&shell, &[]));
    let path = |name: &str| shell.path().join(name);
    let set = |name: &str, mode| {
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    shell.run(&["check"], &[]).expect(0);
    set("data/secret_key", 0o644);
    set("data", 0o755);
    let ran = shell.run(&["check"], &[]).expect(1).finds(&["files.W102", "files.W102"]);
    ran.says(&["chmod 600 ./data/secret_key", "chmod 700 ./data"]);
    set("data/secret_key", 0o600);
    set("data", 0o700);

    fs::write(path(".env"), format!("SECRET_KEY={}\n", KEY.1)).unwrap();
    fs::write(path("mail"), "console:").unwrap();
    for name in [".env", "mail"] {
        set(name, 0o644);
    }
    let file = ("EMAIL_URL_FILE", "mail");
    let ran = shell.run(&["check", "--deploy"], &[file]).expect(1);
    ran.says(&["(files.W103)", "chmod 600 .env", "chmod 600 mail"]);
    fs::create_dir(path("pictures")).unwrap();
    set("pictures", 0o777);
    let media = format!("file://{}", path("pictures").display());
    let ran = shell.run(&["check", "--deploy"], &[file, ("MEDIA_URL", &media)]).expect(1);
    ran.says(&["(files.W105)", "chmod o-w"]);
    let log = [file, ("LOG_DIR", "pictures")];
    let ran = shell.run(&["check", "--deploy"], &log).expect(1);
    ran.says(&["(files.W106)", "chmod 750 pictures"]);
    set("pictures", 0o750);
    assert!(!shell.run(&["check", "--deploy"], &log).expect(1).out.contains("(files.W106)"));
    set(".env", 0o600);
    set("mail", 0o640);
    assert!(!shell.run(&["check", "--deploy"], &[file]).expect(1).out.contains("files."));
}

#[test]
fn an_embedded_database_is_its_owner_s_alone() {
    let shell = Shell::new();
    let url = ("DATABASE_URL", "sqlite://elsewhere.sqlite3");
    let file = |suffix: &str| shell.path().join(format!("elsewhere.sqlite3{suffix}"));
    let mode = |suffix: &str| file(suffix).metadata().expect("made").permissions().mode() & 0o777;
    shell.run(&["migrate"], &[url]).expect(0);
    assert_eq!(mode(""), 0o600);
    shell.run(&["check"], &[url]).expect(0);
    // As an earlier version created it.
    fs::set_permissions(file(""), fs::Permissions::from_mode(0o644)).unwrap();
    shell.run(&["check"], &[url]).expect(1).says(&["elsewhere.sqlite3", "0644", "chmod 600"]);
    let server = Running::start(&shell, &[url]);
    assert_eq!(["", "-wal", "-shm"].map(mode), [0o600; 3]);
    drop(server);
}

#[test]
fn a_failed_connection_names_the_server_and_the_cause() {
    let shell = Shell::new();
    let url = format!("postgres://meow:hunter2@{NOWHERE}/meow");
    let short = ("DATABASE_CONNECT_TIMEOUT", "1s");
    for arguments in [&["runserver", "0"][..], &["migrate"], &["createsuperuser"]] {
        let ran = shell.run(arguments, &[("DATABASE_URL", &url), short, KEY]).expect(1);
        let ran = ran.says(&["PostgreSQL at 127.0.0.1:1", "connection refused"]);
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    let bus = format!("nats://meow:hunter2@{NOWHERE}");
    let mail = format!("smtp://meow:hunter2@{NOWHERE}");
    let media = format!("s3://cats?region=x&allow_http=true&endpoint=http://{NOWHERE}");
    let media = format!("{media}&access_key_id=x&secret_access_key=hunter2");
    let services = [
        ("DATABASE_URL", &*url),
        ("BUS_URL", &bus),
        ("EMAIL_URL", &mail),
        ("MEDIA_URL", &media),
        short,
        KEY,
    ];
    let ids = ["services.E101", "services.E103", "services.E104", "services.E105"];
    let ran = shell.run(&["check"], &services).expect(1).finds(&ids).says(&["ERRORS:"]);
    assert_eq!(ran.out.matches(NOWHERE).count(), 4, "{ran:?}");
    assert_eq!(ran.out.matches("connection refused").count(), 4, "{ran:?}");
    assert!(!ran.out.contains("hunter2"), "{ran:?}");

    let nowhere = ("DATABASE_URL", "postgres://meow@no-such-host.invalid/meow");
    let ran = shell.run(&["migrate"], &[nowhere, short, KEY]).expect(1);
    ran.says(&["no-such-host.invalid:5432", "the name is not found"]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = silent.local_addr().expect("an address").to_string();
    let url = format!("postgres://meow@{address}/meow");
    let ran = shell.run(&["migrate"], &[("DATABASE_URL", &url), short, KEY]).expect(1);
    ran.says(&[&address, "timed out"]);
    let folder = ("DATABASE_URL", "sqlite:///no/folder/x");
    shell.run(&["migrate"], &[folder]).expect(1).says(&["/no/folder/x", "No such file"]);
}

#[test]
fn postgres_says_what_it_does_not_have() {
    let Some(server) = postgres() else { return };
    let shell = Shell::new();
    let mut url = url::Url::parse(&server).expect("a URL");
    let sslmode =
        format!("{server}{}sslmode=require", if server.contains('?') { '&' } else { '?' });
    shell.run(&["check"], &[("DATABASE_URL", &sslmode), KEY]).expect(1).says(&["TLS: "]);
    url.set_path("no-such-database");
    let missing = ("DATABASE_URL", url.as_str());
    let ran = shell.run(&["check"], &[missing, KEY]).expect(1).finds(&["services.E101"]);
    ran.says(&["the database \"no-such-database\" does not exist"]);
}

#[test]
fn a_second_server_on_one_database_is_refused() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[]);
    std::os::unix::fs::symlink("data/meowsenger.sqlite3", shell.path().join("link")).unwrap();
    for settings in [&[][..], &[("DATABASE_URL", "sqlite://link")]] {
        let second = shell.run(&["runserver", "0"], settings).expect(1);
        second.says(&["another server", &server.process.id().to_string(), "PostgreSQL"]);
    }
    shell.run(&["migrate"], &[]).expect(0);
    shell.run(&["check"], &[]).expect(0);
    let boss =
        [("DJANGO_SUPERUSER_USERNAME", "boss"), ("DJANGO_SUPERUSER_PASSWORD", "nine-lives-2026")];
    shell.run(&["createsuperuser", "--noinput"], &boss).expect(0);
    // SIGKILL leaves no lock behind.
    drop(server);
    assert_eq!(Running::start(&shell, &[]).get("/readyz"), 200);
}

#[test]
fn healthcheck_asks_the_server_on_this_machine() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[("SHUTDOWN_DELAY", "5s"), ("BIND", "0.0.0.0:1")]);
    let port = server.address.rsplit_once(':').expect("a port").1.to_owned();
    let bind = format!("0.0.0.0:{port}");
    shell.run(&["healthcheck"], &[("BIND", &bind)]).expect(0).says(&["\"ok\""]);
    shell.run(&["healthcheck", &port], &[("ALLOWED_HOSTS", "x.org")]).expect(0);
    server.signal();
    let draining = || shell.run(&["healthcheck", &port], &[]);
    while draining().status == 0 {}
    draining().expect(1).says(&["is not ready"]);
    drop(server);
    shell.run(&["healthcheck", &port], &[]).expect(1).says(&["connection refused"]);
}
