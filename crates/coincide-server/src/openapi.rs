//! The API's description (OpenAPI 3.1), its schemas made from the types that are sent and read.

use crate::analyses::{AnalysisRequest, AnalysisStatus};
use crate::api::Uploaded;
use crate::error::ProblemBody;
use crate::folder::FileEntry;
use crate::store::ResultEntry;
use coincide_io::CampaignLive;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The description.
pub fn openapi() -> Value {
    let mut generator = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into()).into_generator();
    let schema = |s: schemars::Schema| Value::from(s);
    let files = schema(generator.subschema_for::<Vec<FileEntry>>());
    let uploaded = schema(generator.subschema_for::<Uploaded>());
    let request = schema(generator.subschema_for::<AnalysisRequest>());
    let status = schema(generator.subschema_for::<AnalysisStatus>());
    let statuses = schema(generator.subschema_for::<Vec<AnalysisStatus>>());
    let entry = schema(generator.subschema_for::<ResultEntry>());
    let entries = schema(generator.subschema_for::<Vec<ResultEntry>>());
    let live = schema(generator.subschema_for::<CampaignLive>());
    let problem = schema(generator.subschema_for::<ProblemBody>());
    let names = json!({ "type": "array", "items": { "type": "string" } });
    let document = json!({ "type": "object", "required": ["document", "provenance"] });

    let answer = |what: &str, schema: &Value| json!({ "description": what, "content": { "application/json": { "schema": schema } } });
    let refused = |list: &[u16]| -> Map<String, Value> {
        let what = |s: u16| match s {
            400 => "not readable",
            401 => "a token is needed",
            403 => "another site, or another name of this server",
            404 => "there is none",
            405 => "that cannot be done here",
            409 => "not in this state",
            413 => "too large",
            415 => "not JSON",
            422 => "readable, but it makes no sense",
            429 => "too much is waiting",
            _ => "the store cannot be used",
        };
        [401, 403, 405, 503].iter().chain(list).map(|&s| (s.to_string(), answer(what(s), &problem))).collect()
    };
    let operation = |id: &str, what: &str, status: u16, good: Value, bad: &[u16]| -> Value {
        let mut responses = refused(bad);
        responses.insert(status.to_string(), good);
        json!({ "operationId": id, "summary": what, "responses": responses })
    };
    let with = |mut operation: Value, key: &str, value: Value| {
        operation[key] = value;
        operation
    };
    let stream = |what: &str| json!({ "description": what, "content": { "text/event-stream": {} } });
    let body = |schema: &Value| json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    let id = json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer", "minimum": 1, "maximum": i64::MAX } }]);
    let name = json!([{ "name": "file", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}\\.(csv|tsv|jsonl|parquet|toml)$" } }]);
    let which = json!([{ "name": "name", "in": "query", "required": true, "schema": { "type": "string", "minLength": 1, "maxLength": 1000 } }]);
    let gone = json!({ "description": "it is gone" });

    let paths = json!({
        "/api/openapi.json": { "get": operation("describe", "This description", 200, answer("the description", &json!({ "type": "object" })), &[]) },
        "/api/files": { "get": operation("files", "Files in the data folder that can be analysed", 200, answer("the files", &files), &[]) },
        "/api/files/{file}": {
            "parameters": name,
            "put": with(
                operation("upload", "Upload a file", 201, answer("it is stored", &uploaded), &[400, 409, 413, 422]),
                "requestBody",
                json!({ "required": true, "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary", "minLength": 1 } } } }),
            )
        },
        "/api/analyses": {
            "get": operation("analyses", "Analyses, the newest first", 200, answer("the analyses", &statuses), &[]),
            "post": with(operation("analyse", "Begin an analysis", 202, answer("it waits or runs", &status), &[400, 404, 413, 415, 422, 429]), "requestBody", body(&request)),
        },
        "/api/analyses/{id}": {
            "parameters": id,
            "get": operation("analysis", "How an analysis stands", 200, answer("the analysis", &status), &[404]),
            "delete": operation("cancel", "Cancel an analysis", 202, json!({ "description": "it ends soon" }), &[404, 409]),
        },
        "/api/analyses/{id}/events": {
            "parameters": id,
            "get": operation("followAnalysis", "Follow an analysis: an event `analysis` whenever it changes", 200, stream("events until it is over"), &[404]),
        },
        "/api/results": {
            "get": operation("results", "Stored results, the newest first", 200, answer("the results", &entries), &[]),
            "post": with(operation("import", "Store a results document", 201, answer("it is stored", &entry), &[400, 413, 415, 422]), "requestBody", body(&document)),
        },
        "/api/results/{id}": {
            "parameters": id,
            "get": operation("result", "A results document; its schema is schema/results.schema.json", 200, answer("the document", &document), &[404]),
            "delete": operation("remove", "Take a result out of the store", 204, gone, &[404]),
        },
        "/api/campaigns": { "get": operation("campaigns", "Folders with a campaign", 200, answer("the folders", &names), &[]) },
        "/api/campaign": {
            "parameters": which,
            "get": operation("campaign", "How a campaign stands", 200, answer("its state", &live), &[400, 404, 422]),
        },
        "/api/campaign/events": {
            "parameters": which,
            "get": operation("followCampaign", "Follow a campaign: an event `campaign` whenever it changes", 200, stream("events until it has ended"), &[400, 404, 422]),
        },
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Coincide", "version": env!("CARGO_PKG_VERSION"), "description": "Analyses of how safety layers fail together, on this machine." },
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}
