// Runs a Node.js function: loads the handler, then takes one event after another
// from the Lambda Runtime API. No packages. Error documents have the form that
// AWS's own Node.js runtime gives them.
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import util from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const token = process.env._RUNTIME_TOKEN;
const root = process.env.LAMBDA_TASK_ROOT;
const jsonLogs = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let requestId = "";

// Ends the whole process group when the service is gone.
if (process.env._RUNTIME_FD) {
  const lifeline = new net.Socket({ fd: Number(process.env._RUNTIME_FD), readable: true, writable: false });
  lifeline.on("error", die).on("close", die).resume();
  lifeline.unref();
}
delete process.env._RUNTIME_FD;
delete process.env._RUNTIME_TOKEN;

function die() {
  try {
    process.kill(-process.pid, "SIGKILL");
  } finally {
    process.exit(1);
  }
}

// Records that the service must not split into lines.
function send(kind, text) {
  let data = Buffer.from("\x1e" + kind + text + "\x1e\n");
  while (data.length > 0) {
    try {
      data = data.subarray(fs.writeSync(1, data));
    } catch (e) {
      if (e.code !== "EAGAIN") throw e;
    }
  }
}

const levels = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR" };
const order = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const least = order.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL || "TRACE");
for (const [name, level] of Object.entries(levels)) {
  console[name] = (...args) => {
    if (jsonLogs && order.indexOf(level) < least) return;
    const timestamp = new Date().toISOString();
    if (jsonLogs) {
      const message = args.length === 1 && typeof args[0] !== "string" && !(args[0] instanceof Error) ? args[0] : util.format(...args);
      send("L", JSON.stringify(JSON.stringify({ timestamp, level, requestId, message })));
      return;
    }
    send("L", JSON.stringify([timestamp, requestId || "undefined", level, util.format(...args)].join("\t")));
  };
}

function call(method, suffix, body, headers = {}) {
  return new Promise((resolve, reject) => {
    if (token) headers["Lambda-Runtime-Token"] = token;
    if (body !== undefined) headers["Content-Length"] = Buffer.byteLength(body);
    const req = http.request({ host, port, method, path: "/2018-06-01/runtime" + suffix, headers, agent }, (res) => {
      const chunks = [];
      res.on("data", (c) => chunks.push(c));
      res.on("end", () => resolve({ res, body: Buffer.concat(chunks).toString() }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(body);
  });
}

class Fault extends Error {
  constructor(kind, message) {
    super(message);
    this.name = kind;
  }
}

async function load(name) {
  const base = path.basename(name);
  const match = base.match(/^([^.]*)\.(.*)$/);
  if (!match) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  const file = path.resolve(root, path.dirname(name), match[1]);
  let module;
  try {
    const found = ["", ".js", ".mjs", ".cjs"].map((x) => file + x).find((f) => fs.existsSync(f) && fs.statSync(f).isFile());
    if (!found) throw Object.assign(new Error(`Cannot find module '${match[1]}'`), { code: "MODULE_NOT_FOUND" });
    try {
      module = found.endsWith(".mjs") ? await import(pathToFileURL(found)) : createRequire(path.join(root, "noop.js"))(found);
    } catch (e) {
      if (e.code !== "ERR_REQUIRE_ESM") throw e;
      module = await import(pathToFileURL(found));
    }
  } catch (e) {
    if (e instanceof SyntaxError) throw new Fault("Runtime.UserCodeSyntaxError", String(e));
    if (e && (e.code === "MODULE_NOT_FOUND" || e.code === "ERR_MODULE_NOT_FOUND")) throw new Fault("Runtime.ImportModuleError", String(e));
    throw e;
  }
  let handler = module;
  for (const part of match[2].split(".")) handler = handler?.[part] ?? handler?.default?.[part];
  if (handler === undefined) throw new Fault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

function errorDocument(e) {
  if (!(e instanceof Error)) {
    return { errorType: typeof e, errorMessage: typeof e === "object" ? JSON.stringify(e) : String(e), trace: [] };
  }
  const trace = (e.stack || "").split("\n").map((line) => line.replaceAll(root + path.sep, "/var/task/").replaceAll(pathToFileURL(root) + "/", "file:///var/task/"));
  return { errorType: e.name, errorMessage: e.message, trace };
}

function logError(doc, what) {
  const text = `${what} \t${JSON.stringify({ errorType: doc.errorType, errorMessage: doc.errorMessage, stack: doc.trace })}`;
  const timestamp = new Date().toISOString();
  if (jsonLogs) {
    send("L", JSON.stringify(JSON.stringify({ timestamp, level: "ERROR", requestId, message: { errorType: doc.errorType, errorMessage: doc.errorMessage, stackTrace: doc.trace } })));
    return;
  }
  send("L", JSON.stringify([timestamp, requestId || "undefined", "ERROR", text].join("\t")));
}

function context(h, finish) {
  const deadline = Number(h["lambda-runtime-deadline-ms"]);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: h["lambda-runtime-client-context"] ? JSON.parse(h["lambda-runtime-client-context"]) : undefined,
    identity: undefined,
    invokedFunctionArn: h["lambda-runtime-invoked-function-arn"],
    awsRequestId: h["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
    done: (e, v) => finish(e, v),
    succeed: (v) => finish(null, v),
    fail: (e) => finish(e ?? new Error("handled")),
  };
}

let fatal; // ends the invocation in progress with an error
for (const [event, kind] of [["uncaughtException", null], ["unhandledRejection", "Runtime.UnhandledPromiseRejection"]]) {
  process.on(event, (e) => {
    const doc = errorDocument(e);
    if (kind) doc.errorMessage = String(e), doc.errorType = kind;
    logError(doc, kind ? "Unhandled Promise Rejection" : "Uncaught Exception");
    if (fatal) fatal(doc);
    else process.exit(1);
  });
}

function run(handler, res, body) {
  return new Promise((resolve) => {
    const fail = (doc, what) => {
      if (what) logError(doc, what);
      resolve({ suffix: "error", doc: JSON.stringify(doc) });
    };
    fatal = (doc) => fail(doc);
    const finish = (e, v) => {
      if (e !== null && e !== undefined) return fail(errorDocument(e), "Invoke Error");
      let text;
      try {
        text = JSON.stringify(v === undefined ? null : v);
        if (text === undefined) text = "null";
      } catch (x) {
        return fail(errorDocument(Object.assign(new Error("Unable to stringify response body"), { name: "Runtime.MarshalError" })), "Invoke Error");
      }
      resolve({ suffix: "response", doc: text });
    };
    try {
      const out = handler(JSON.parse(body), context(res.headers, finish), finish);
      if (out && typeof out.then === "function") out.then((v) => finish(null, v), (e) => finish(e ?? new Error("handled")));
      else if (handler.length < 3 && out !== undefined) finish(null, out);
      else if (handler.length < 3) setImmediate(() => finish(null, out));
    } catch (e) {
      finish(e ?? new Error("handled"));
    }
  });
}

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (e) {
  const doc = errorDocument(e);
  logError(doc, "Uncaught Exception");
  await call("POST", "/init/error", JSON.stringify(doc), { "Content-Type": "application/json" });
  process.exit(1);
}
for (;;) {
  let next;
  try {
    next = await call("GET", "/invocation/next");
  } catch {
    process.exit(0); // the service has gone
  }
  if (next.res.statusCode !== 200) process.exit(0);
  requestId = next.res.headers["lambda-runtime-aws-request-id"];
  process.env._X_AMZN_TRACE_ID = next.res.headers["lambda-runtime-trace-id"] || "";
  const { suffix, doc } = await run(handler, next.res, next.body);
  fatal = undefined;
  send("E", `${requestId} ${process.resourceUsage().maxRSS}`);
  await call("POST", `/invocation/${requestId}/${suffix}`, doc, { "Content-Type": "application/json" });
  requestId = "";
}
