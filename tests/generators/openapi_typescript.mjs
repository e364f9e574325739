// Generates types with openapi-typescript, in which a file is a Blob. (By default it is a string.)
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const blob = ts.factory.createTypeReferenceNode("Blob");
const types = await openapiTS(JSON.parse(readFileSync("openapi.json", "utf8")), {
    transform: (schema) => (schema.format === "binary" ? blob : undefined),
});
writeFileSync("openapi_typescript/schema.ts", astToString(types));
