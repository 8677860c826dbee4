// Extensions of the Finnish base and scheduling profiles, restated as their sources show them: their packages are on no public
// registry, and an extension whose definition is not known would be refused.

Extension: PatientProfession
Id: patient-profession
Title: "Ammatti"
Description: "The client's profession, national classification 1.2.246.537.6.74."
Context: Patient
* insert RestatesExtension(https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/patient-profession)
* value[x] 1..1
* value[x] only Coding
* valueCoding.system 1..1
* valueCoding.system = "urn:oid:1.2.246.537.6.74"
* valueCoding.code 1..1

Extension: ReleaseDateForPatientViewing
Id: release-date-for-patient-viewing
Title: "Viivästämisen päättymispäivä"
Description: "The first day on which delayed information may be shown to the client."
Context: Provenance, Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/ReleaseDateForPatientViewing)
* value[x] 1..1
* value[x] only date

Extension: RestrictionParent
Id: restriction-parent
Title: "Huoltajille luovuttamisen kielto"
Description: "Whether a minor's information may be given to the guardians."
Context: Provenance, Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/RestrictionParent)
* value[x] 1..1
* value[x] only Coding
* valueCoding from RestrictionParentCodes (required)
* valueCoding.system 1..1
* valueCoding.version 0..0
* valueCoding.code 1..1
* valueCoding.display 1..1
* valueCoding.userSelected 0..0

ValueSet: RestrictionParentCodes
Id: restriction-parent
Title: "Alaikäisen tietojen luovuttaminen huoltajille"
Description: "The four codes of the national classification 1.2.246.537.5.40202.201901."
* urn:oid:1.2.246.537.5.40202.201901#1
* urn:oid:1.2.246.537.5.40202.201901#2
* urn:oid:1.2.246.537.5.40202.201901#3
* urn:oid:1.2.246.537.5.40202.201901#4

Extension: ServiceEvent
Id: service-event
Title: "Palvelutapahtuman tunniste"
Description: "The OID of a service event whose Encounter is not at hand."
Context: Element
* insert RestatesExtension(https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/service-event)
* value[x] 1..1
* value[x] only oid

Extension: CareplanIdentifier
Id: careplan-identifier
Title: "Suunnitelman tunniste"
Description: "The plan that an appointment belongs to."
Context: Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-scheduling/StructureDefinition/careplan-identifier)
* value[x] 1..1
* value[x] only Identifier

Extension: TopicId
Id: topic-id
Title: "Asian tunniste"
Description: "The case of social welfare that an appointment belongs to."
Context: Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-scheduling/StructureDefinition/topic-id)
* value[x] 1..1
* value[x] only Identifier

Extension: CustomerJourney
Id: customer-journey
Title: "Hoitopolku"
Description: "The path of services that an appointment belongs to."
Context: Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-scheduling/StructureDefinition/customer-journey)
* extension contains CustomerJourneyId 0..1 and CustomerJourneyName 0..1
* extension[CustomerJourneyId].value[x] only Identifier
* extension[CustomerJourneyName].value[x] only string

Extension: ReferralId
Id: referral-id
Title: "Lähetteen tunniste"
Description: "The referral that an appointment follows from."
Context: Appointment
* insert RestatesExtension(https://hl7.fi/fhir/finnish-scheduling/StructureDefinition/referral-id)
* value[x] 1..1
* value[x] only string or Identifier

RuleSet: RestatesExtension(url)
* ^url = "{url}"
* ^purpose = "Restates the national extension of this address."
