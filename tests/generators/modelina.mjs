// Validates the AsyncAPI document with AsyncAPI's parser, and generates the types of all frames with modelina.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { TypeScriptFileGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";

const text = readFileSync("asyncapi.json", "utf8");
// 0 is an error, 1 a warning.
const problems = (await new Parser().validate(text)).filter(({ severity }) => severity === 0);
assert.deepEqual(problems, [], "the parser finds no errors");

const generator = new TypeScriptFileGenerator({
    modelType: "interface",
    enumType: "union",
    mapType: "record",
    rawPropertyNames: true,
});
const models = await generator.generateToFiles(JSON.parse(text), "modelina", { exportType: "named" });
const names = models.map(({ modelName }) => modelName);
for (const name of ["ServerFrame", "ClientFrame", "ServerMessageCreated", "Chat"]) {
    assert(names.includes(name), `${name} is among ${names}`);
}
for (const { modelName, result } of models) {
    assert(!/anonymous|reserved/i.test(modelName + result), `${modelName} has a part without a name:\n${result}`);
}
