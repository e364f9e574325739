// Answers every message that arrives, once, however often it is started: each answer has an idempotency key that is derived from
// the message that it answers.   node examples/bot.mjs http://127.0.0.1:8000 whiskers nine-lives-2026
import { ApiError, Server } from "@meowsenger/client";

const [url, username, password] = process.argv.slice(2);
const client = await new Server(url).logIn(username, password);
const live = client.connect();

for await (const event of live) {
  const created = event.type === "change" && event.change.type === "message.created" ? [event.change.message] : [];
  for (const message of event.type === "resynced" ? event.messages : created) {
    if (message.sender.id === client.userId || message.deleted_at) continue;
    const answer = { content: `You said: ${message.content}`.slice(0, 1_000), client_id: `answer-${message.seq}` };
    await live.send(message.chat, answer).catch((error) => {
      // Refused: it was answered before an edit, say.
      if (!(error instanceof ApiError)) throw error;
    });
  }
}
