//! Words that the documentation, the API descriptions and the texts of the program must not contain,
//! since an engineer would search for others (`docs/glossary.md`).

use super::checks::looks_like_sql;
use super::source::Source;
use super::tokens::Kind;

/// What not to write, and what to write instead. In lower case; a phrase is a sequence of words.
pub(crate) const BANNED: &[(&str, &str)] = &[
    ("told", "sent, published, answered, informed"),
    ("tells", "says, reports, returns, shows"),
    ("hears", "receives"),
    ("heard", "received"),
    ("news", "event, events"),
    ("hole", "gap"),
    ("holes", "gaps"),
    ("watched", "subscribed to"),
    ("read mark", "read marker"),
    ("read marks", "read markers"),
    ("delivered mark", "delivery marker"),
    ("delivered marks", "delivery markers"),
    ("delivery mark", "delivery marker"),
    ("is seen", "presence, status"),
    ("are seen", "presence, status"),
    ("seen as", "presence, status"),
    ("spent", "used, rotated"),
    ("spends", "uses, rotates"),
    ("goodbye", "close handshake"),
    ("sealed", "signed"),
    ("seals", "signs"),
    ("seal", "signature, HMAC"),
    ("keyed sum", "HMAC"),
    ("patience", "timeout"),
    ("buried", "deleted, tombstone"),
    ("buries", "deletes"),
    ("as a shell", "anonymised"),
    ("comes in", "joins"),
    ("coming in", "joining"),
    ("came into", "joined"),
    ("goes out", "leaves, is sent"),
    ("went out", "left, was sent"),
    ("going out", "leaving"),
    ("put out", "removed"),
    ("out of a chat", "no member, former member"),
    ("oneself", "you, your account"),
    ("one's", "your, the user's"),
    ("that one has", "that the user has"),
    ("one may not", "the user may not"),
    ("whom", "which users, who"),
    ("who is out", "a former member"),
    ("the bus is away", "NATS is disconnected"),
    ("database is away", "the database is unavailable"),
    ("goes by", "uses, depends on"),
    ("go by", "use, depend on"),
    ("betray", "reveal"),
    ("betrays", "reveals"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("save those", "except those"),
    ("of late", "recently"),
    ("of theirs", "their"),
    ("little by little", "in batches"),
    ("lets go", "releases"),
    ("let go", "release"),
    ("whoever", "a user who"),
    ("doubtful", "unverified"),
    ("background turn", "background task"),
    ("turn failed", "task failed"),
    ("conversation", "chat"),
    ("time-out", "timeout"),
    ("time-outs", "timeouts"),
    ("hurries", "speeds up"),
];

/// The banned words in a page of the documentation, outside of code.
pub(crate) fn in_document(text: &str) -> Vec<(usize, String)> {
    let mut in_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        if !fence && !in_block {
            prose.push_str(&outside_code(line));
        }
        prose.push('\n');
    }
    found(&prose)
}

/// The banned words in the descriptions of a pretty-printed JSON document.
pub(crate) fn in_descriptions(text: &str) -> Vec<(usize, String)> {
    let described = |line: &str| {
        let line = line.trim_start();
        line.starts_with("\"description\":") || line.starts_with("\"summary\":")
    };
    let prose = |line| if described(line) { outside_code(line) } else { String::new() };
    found(&text.lines().map(prose).collect::<Vec<_>>().join("\n"))
}

/// The banned words in the texts that the program logs, answers and prints. A literal of one word is a
/// key or a name; one that begins with `meowsenger` names a derived key, and must never change.
pub(crate) fn in_texts(source: &Source) -> Vec<(usize, String)> {
    let source = source.without_tests();
    let is_text = |text: &str| {
        text.contains(' ') && !text.starts_with("meowsenger ") && !looks_like_sql(text)
    };
    let texts = source.tokens.iter().filter(|t| t.kind == Kind::Text && is_text(&t.text));
    texts
        .flat_map(|token| {
            let words = found(&outside_code(&token.text.replace('\n', " ")));
            words.into_iter().map(|(_, word)| (token.line, word))
        })
        .collect()
}

/// The banned words in a file's comments.
pub(crate) fn in_comments(source: &Source) -> Vec<(usize, String)> {
    let mut lines = vec![String::new(); source.text.lines().count()];
    for (line, comment) in &source.comments {
        lines[line - 1] = outside_code(comment);
    }
    found(&lines.join("\n"))
}

/// The text with a placeholder for each code span, so that the words around it are not neighbours.
fn outside_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ` ")
}

fn found(prose: &str) -> Vec<(usize, String)> {
    let lower = prose.to_lowercase().replace('’', "'");
    let mut words: Vec<(usize, &str)> = Vec::new();
    for (index, line) in lower.lines().enumerate() {
        let parts = line.split(|c: char| !(c.is_alphanumeric() || "'-_.`".contains(c)));
        let parts = parts.map(|word| word.trim_matches(['.', '\'', '-']));
        words.extend(parts.filter(|word| !word.is_empty()).map(|word| (index + 1, word)));
    }
    let mut faults = Vec::new();
    for at in 0..words.len() {
        for (banned, instead) in BANNED {
            let mut here = words[at..].iter().map(|(_, word)| *word);
            if banned.split(' ').all(|word| here.next() == Some(word)) {
                faults.push((words[at].0, format!("`{banned}`: write {instead}")));
            }
        }
    }
    faults
}
