// The client and the people and organisations around.

Profile: KykysiltaClient
Parent: Patient
Id: kykysilta-client
Title: "Asiakas"
Description: "The client of work-ability support. Mentions in other records carry identifiers only."
* insert Shared
* insert RestatesFinnishBase(fi-base-patient)
* meta.security ^slicing.discriminator[0].type = #value
* meta.security ^slicing.discriminator[0].path = "system"
* meta.security ^slicing.rules = #open
* meta.security contains turvakielto 0..1 MS
* meta.security[turvakielto].system = $fi-security-label
* meta.security[turvakielto].code = #TURVAKIELTO
* identifier 1..* MS
* identifier.value 1..1
* identifier ^slicing.discriminator[0].type = #value
* identifier ^slicing.discriminator[0].path = "use"
* identifier ^slicing.rules = #open
* identifier contains PIC 0..1 MS
* identifier[PIC].use = #official
* identifier[PIC].type = $v2-0203#NNFIN
* identifier[PIC].system = "urn:oid:1.2.246.21"
* extension contains https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/municipality-code named municipality-code 0..1 MS
* extension contains http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired named interpreter-required 0..1
* extension contains https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/patient-profession named profession 0..1
* name MS
* telecom MS
* address MS
* birthDate MS
* communication MS
* generalPractitioner MS
* generalPractitioner only Reference(KykysiltaOrganization or KykysiltaPractitioner or KykysiltaPractitionerRole)
* managingOrganization MS
* managingOrganization only Reference(KykysiltaOrganization)
* link.other only Reference(KykysiltaClient or RelatedPerson)
* name obeys kyk-name-text

Invariant: kyk-name-text
Severity: #warning
Description: "Nimi ei ole kokonaisena. Lisää text. / The name does not stand as a whole. Add text."
Expression: "text.exists()"

Profile: KykysiltaRelatedPerson
Parent: RelatedPerson
Id: kykysilta-related-person
Title: "Läheinen tai laillinen edustaja"
Description: "A close person, or who acts for the client. Never a professional (BR-047). With an id of its own it is one resource for all records; the client record owns it."
* insert Shared
* insert OfClient(patient)
* name 1..* MS
* relationship MS
* telecom MS
* period MS

Profile: KykysiltaPractitioner
Parent: Practitioner
Id: kykysilta-practitioner
Title: "Ammattilainen"
Description: "A professional; Terhikki or SV number where there is one, else the source system's own."
* insert Shared
* insert RestatesFinnishBase(fi-base-practitioner)
* identifier 1..* MS
* identifier.system 1..1
* identifier.value 1..1
* identifier ^slicing.discriminator[0].type = #value
* identifier ^slicing.discriminator[0].path = "system"
* identifier ^slicing.rules = #open
* identifier contains PIC 0..1 and Terhikki 0..1 MS and SV 0..1 MS
* identifier[PIC].system = "urn:oid:1.2.246.21"
* identifier[Terhikki].system = "urn:oid:1.2.246.537.26"
* identifier[SV].system = "urn:oid:1.2.246.537.25"
* name MS
* qualification.issuer only Reference(KykysiltaOrganization)

Profile: KykysiltaPractitionerRole
Parent: PractitionerRole
Id: kykysilta-practitioner-role
Title: "Ammattilaisen tehtävä"
Description: "A professional at an organisation, or an organisation where R4 admits only a PractitionerRole."
* insert Shared
* insert RestatesFinnishBase(fi-base-practitioner-role)
* practitioner MS
* practitioner only Reference(KykysiltaPractitioner)
* organization MS
* organization only Reference(KykysiltaOrganization)
* code MS
* code from https://kykysilta.example/fhir/ValueSet/professional-role (extensible)
* telecom MS
* obeys kyk-role-1

Invariant: kyk-role-1
Severity: #error
Description: "Tehtävästä puuttuu sekä ammattilainen että organisaatio. Lisää jompikumpi. / The role names neither a practitioner nor an organization. Add one."
Expression: "practitioner.exists() or organization.exists()"

Profile: KykysiltaOrganization
Parent: Organization
Id: kykysilta-organization
Title: "Organisaatio"
Description: "An organisation by its OID, business id or the source system's own id."
* insert Shared
* insert RestatesFinnishBase(fi-base-organization)
* identifier 1..* MS
* identifier.system 1..1
* identifier.value 1..1
* name 1..1 MS
* type MS
* type from https://kykysilta.example/fhir/ValueSet/organisation-type (extensible)
* partOf only Reference(KykysiltaOrganization)
