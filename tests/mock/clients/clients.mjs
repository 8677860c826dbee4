// Drives one npm client through its verbs: node clients.mjs CLIENT FHIR_BASE [ACCESS_TOKEN]
import { createRequire } from "module";

const require = createRequire(import.meta.url);
const [, , name, base, token] = process.argv;
const transaction = {
  resourceType: "Bundle",
  type: "transaction",
  entry: [{ resource: { resourceType: "CareTeam" }, request: { method: "POST", url: "CareTeam" } }],
};
const activate = [{ op: "add", path: "/active", value: true }];

function equal(found, expected) {
  if (found !== expected) throw new Error(`${found} instead of ${expected}`);
}

const clients = {
  async "fhir-kit-client"() {
    const { Client } = await import("fhir-kit-client");
    const client = new Client({ baseUrl: base });
    if (token) client.bearerToken = token;
    equal((await client.capabilityStatement()).fhirVersion, "4.0.1");
    const patient = await client.create({
      resourceType: "Patient",
      body: { resourceType: "Patient", name: [{ family: "Kit" }] },
    });
    const id = patient.id;
    await client.update({ resourceType: "Patient", id, body: { ...patient, gender: "male" } });
    await client.patch({ resourceType: "Patient", id, jsonPatch: activate });
    equal((await client.search({ resourceType: "Patient", searchParams: { family: "Kit" } })).total, 1);
    equal((await client.history({ resourceType: "Patient", id })).total, 3);
    equal((await client.transaction({ body: transaction })).type, "transaction-response");
    await client.delete({ resourceType: "Patient", id });
  },
  async fhirclient() {
    const smart = require("fhirclient")({ url: "/", headers: {} }, {});
    const client = smart.client({ serverUrl: base, tokenResponse: token ? { access_token: token } : undefined });
    const patient = await client.create({ resourceType: "Patient", name: [{ family: "Smart" }] });
    await client.update({ ...patient, gender: "female" });
    equal((await client.request("Patient?family=Smart")).total, 1);
    await client.request({
      url: "",
      method: "POST",
      body: JSON.stringify(transaction),
      headers: { "content-type": "application/fhir+json" },
    });
    await client.delete(`Patient/${patient.id}`);
  },
  async medplum() {
    const { MedplumClient } = await import("@medplum/core");
    const client = new MedplumClient({
      baseUrl: `${base.replace(/fhir$/, "")}`,
      fhirUrlPath: "fhir",
      cacheTime: 0,
      fetch,
    });
    if (token) client.setAccessToken(token);
    const body = { resourceType: "Patient", identifier: [{ system: "urn:medplum", value: "1" }] };
    const patient = await client.createResource(body);
    equal((await client.createResourceIfNoneExist(body, "identifier=urn:medplum|1")).id, patient.id);
    equal((await client.searchResources("Patient", "identifier=urn:medplum|1")).length, 1);
    await client.updateResource({ ...patient, gender: "male" });
    await client.patchResource("Patient", patient.id, activate);
    equal((await client.executeBatch(transaction)).type, "transaction-response");
    await client.deleteResource("Patient", patient.id);
  },
};

await clients[name]();
