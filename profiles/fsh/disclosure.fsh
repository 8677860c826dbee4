// The national disclosure notice, restated: its package is on no public registry. Kanta-style, not certified.

Profile: KykysiltaDisclosureNotice
Parent: AuditEvent
Id: kykysilta-disclosure-notice
Title: "Luovutusilmoitus"
Description: "Restatement of the social-welfare disclosure notice (https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEvent): what is disclosed outside Kanta, by whom, to whom, on what ground."
* type = http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle#disclose
* action 0..0
* outcome 0..0
* period 1..1 MS
* period.start 1..1
* period.end 0..0
* purposeOfEvent 1..* MS
* purposeOfEvent.coding.system 1..1
* agent 2..* MS
* source.observer 1..1 MS
* source.observer only Reference(Device)
* entity 1..* MS
* extension contains DisclosureBasis named disclosure-basis 0..1 MS
