// The nine extensions of the work-ability records; everything else fits elements of R4.

Extension: PlanningMode
Id: planning-mode
Title: "Suunnittelun toteutustapa"
Description: "How the plan was made: division of work, as a group, or mediated."
Context: CarePlan
* value[x] 1..1
* value[x] only code
* valueCode from https://kykysilta.example/fhir/ValueSet/planning-mode (required)

Extension: PlanReconciliation
Id: plan-reconciliation
Title: "Yhteensovitus muiden suunnitelmien kanssa"
Description: "Another plan of the client and whether the two fit together."
Context: CarePlan
* extension contains plan-type 0..1 and reference 0..1 and status 1..1 and date 0..1 and note 0..1
* extension[plan-type].value[x] only code
* extension[plan-type].valueCode from https://kykysilta.example/fhir/ValueSet/plan-type (required)
* extension[reference].value[x] only Reference
* extension[status].value[x] only code
* extension[status].valueCode from https://kykysilta.example/fhir/ValueSet/reconciliation-status (required)
* extension[date].value[x] only date
* extension[note].value[x] only string

Extension: PlanEndReason
Id: plan-end-reason
Title: "Päättymisen syy"
Description: "Why the plan ended."
Context: CarePlan
* value[x] 1..1
* value[x] only code
* valueCode from https://kykysilta.example/fhir/ValueSet/plan-end-reason (required)

Extension: ConsentForm
Id: consent-form
Title: "Suostumuksen muoto"
Description: "Written, signed electronically, or oral."
Context: Consent
* value[x] 1..1
* value[x] only code
* valueCode from https://kykysilta.example/fhir/ValueSet/consent-form (required)

Extension: DisclosureBasis
Id: disclosure-basis
Title: "Luovutuksen peruste"
Description: "The ground of a disclosure, also where no consent is needed."
Context: Communication, AuditEvent
* value[x] 1..1
* value[x] only code
* valueCode from https://kykysilta.example/fhir/ValueSet/disclosure-basis (required)

Extension: Handover
Id: handover
Title: "Saattaen vaihtaminen"
Description: "A handover in which the sender stays until the receiver has taken over."
Context: ServiceRequest, CareTeam.participant
* extension contains from 0..1 and to 0..1 and date 0..1 and status 1..1 and receiver-acknowledged 0..1
* extension[from].value[x] only Reference
* extension[to].value[x] only Reference
* extension[date].value[x] only dateTime
* extension[status].value[x] only code
* extension[status].valueCode from https://kykysilta.example/fhir/ValueSet/handover-status (required)
* extension[receiver-acknowledged].value[x] only boolean

Extension: ClientView
Id: client-view
Title: "Asiakkaan oma näkemys"
Description: "The client's own words, kept apart from what professionals write (BR-013)."
Context: CarePlan, Observation
* value[x] 1..1
* value[x] only string

Extension: PlannedService
Id: planned-service
Title: "Suunnitellun palvelun tiedot"
Description: "What R4 has no element for, and which performer organises and which provides."
Context: CarePlan.activity.detail
* extension contains
    support-intensity 0..1 and
    client-cost 0..1 and
    statutory-basis 0..1 and
    decision 0..1 and
    supported-by 0..1 and
    organiser 0..1 and
    provider 0..1
* extension[support-intensity].value[x] only code
* extension[support-intensity].valueCode from https://kykysilta.example/fhir/ValueSet/support-intensity (required)
* extension[client-cost].value[x] only Money
* extension[statutory-basis].value[x] only string
* extension[decision].value[x] only Reference
* extension[supported-by].value[x] only Reference
* extension[organiser].value[x] only Reference
* extension[provider].value[x] only Reference

Extension: MunicipalityCode
Id: municipality-code
Title: "Kotikunta"
Description: "Restatement of the Finnish base extension of this address: the municipality of residence."
Context: Patient
* ^url = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/municipality-code"
* value[x] 1..1
* value[x] only Coding
* valueCoding.system 1..1
* valueCoding.system = "urn:oid:1.2.246.537.6.21"
* valueCoding.code 1..1
