// Validates the AsyncAPI document with AsyncAPI's parser, and generates the types of all frames with modelina.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { GoGenerator, JavaGenerator, PythonGenerator, TypeScriptFileGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";

const text = readFileSync("asyncapi.json", "utf8");
// 0 is an error, 1 a warning.
const problems = (await new Parser().validate(text)).filter(({ severity }) => severity === 0);
assert.deepEqual(problems, [], "the parser finds no errors");

const document = JSON.parse(text);
const generator = new TypeScriptFileGenerator({
    modelType: "interface",
    enumType: "union",
    mapType: "record",
    rawPropertyNames: true,
});
const models = await generator.generateToFiles(document, "modelina", { exportType: "named" });
const names = models.map(({ modelName }) => modelName);
for (const name of ["ServerFrame", "ClientFrame", "ServerMessageCreated", "Chat"]) {
    assert(names.includes(name), `${name} is among ${names}`);
}

// Other languages make types of what TypeScript writes inline.
const others = [new GoGenerator(), new JavaGenerator(), new PythonGenerator()];
const otherModels = await Promise.all(others.map((other) => other.generate(document)));
for (const { modelName, result } of [...models, ...otherModels.flat()]) {
    assert(!/anonymous/i.test(modelName + result), `${modelName} has a part without a name:\n${result}`);
}
