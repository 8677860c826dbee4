// Supporting resources.

Profile: KykysiltaCondition
Parent: Condition
Id: kykysilta-condition
Title: "Diagnoosi"
Description: "A diagnosis with its source and date; never evidence of incapacity by itself (BR-094)."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* code 1..1 MS
* clinicalStatus MS
* recordedDate MS
* asserter MS
* code obeys kyk-icd10-plain

Invariant: kyk-icd10-plain
Severity: #warning
Description: "ICD-10-koodissa on suomalainen yhdistelmämerkki (+ & #). Anna koodi ilman sitä ja lisämerkitys omana koodinaan. / The ICD-10 code has a Finnish combination sign (+ & #). Give the code without it, and what it means as a coding of its own."
Expression: "coding.where(system.startsWith('urn:oid:1.2.246.537.6.1.') or system = 'urn:oid:1.2.246.537.6.1').all(code.matches('^[^+&#]*$'))"

Profile: KykysiltaEpisodeOfCare
Parent: EpisodeOfCare
Id: kykysilta-episode-of-care
Title: "Asiakkuus"
Description: "A client relationship with a service."
* insert Owned
* insert OfClient(patient)
* identifier 1..* MS
* managingOrganization 1..1 MS
* managingOrganization only Reference(KykysiltaOrganization)
* period MS

Profile: KykysiltaServiceRequest
Parent: ServiceRequest
Id: kykysilta-service-request
Title: "Lähete tai ohjaus"
Description: "The referral of a health check."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* code 1..1 MS
* requester MS
* authoredOn MS
* reasonCode MS
* extension contains Handover named handover 0..1 MS

Profile: KykysiltaCommunication
Parent: Communication
Id: kykysilta-communication
Title: "Palaute tai yhteydenotto"
Description: "Feedback or consultation."
* insert Owned
* identifier 1..* MS
* subject only Reference(KykysiltaClient)
* category 1..* MS
* category from https://kykysilta.example/fhir/ValueSet/disclosure-kind (extensible)
* recipient 1..* MS
* about MS
* basedOn MS
* extension contains DisclosureBasis named disclosure-basis 0..1 MS

Profile: KykysiltaDocumentReference
Parent: DocumentReference
Id: kykysilta-document-reference
Title: "Asiakirja"
Description: "A medical statement, or the wording of a consent with recorder and time."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* type 1..1 MS
* author MS
* description MS
* content 1..1 MS

Profile: KykysiltaQuestionnaireResponse
Parent: QuestionnaireResponse
Id: kykysilta-questionnaire-response
Title: "Kyselyn vastaukset"
Description: "The answers behind a measure."
* insert Owned
* insert OfClient(subject)
* identifier 1..1 MS
* authored MS
* item 1..* MS
