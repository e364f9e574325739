// The client, and schemas that validate the answers.
const input = "openapi.json";

export default {
    client: { input, output: { target: "orval/client.ts", schemas: "orval/model", client: "fetch", baseUrl: process.env.URL } },
    zod: { input, output: { target: "orval/schemas.ts", client: "zod" } },
};
