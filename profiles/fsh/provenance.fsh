// Who is the controller, who wrote it down.

Profile: KykysiltaCustodianProvenance
Parent: Provenance
Id: kykysilta-custodian-provenance
Title: "Rekisterinpitäjä"
Description: "The controller of what the record holds. Restates the Finnish base profiles of the information custodian (public and private)."
* insert Owned
* target 1..* MS
* agent 1..1 MS
* agent.type 1..1
* agent.type = $v3-ParticipationType#CST
* agent.role 1..1 MS
* agent.role.coding 1..1
* agent.role.coding.system 1..1
* agent.role.coding.system = $controller-kind
* agent.role.coding.code 1..1
* agent.who.identifier 1..1 MS
* agent.who.identifier.type 1..1
* agent.who.identifier.type = $v2-0203#PRN
* agent.who.identifier.system 1..1
* agent.who.identifier.value 1..1
* agent.who.display MS
* obeys kyk-custodian-1

Invariant: kyk-custodian-1
Severity: #error
Description: "Rekisterinpitäjän laji ja tunniste eivät sovi yhteen. Julkisen (1) tunniste on rekisterinpitäjärekisteristä, yksityisen (2) SOTE-organisaatiorekisteristä tai itsenäisten ammatinharjoittajien rekisteristä. / The controller's kind and identifier do not fit. A public one (1) is named by the controller register, a private one (2) by the organisation register or that of independent practitioners."
Expression: "agent.all((role.coding.code = '1' and who.identifier.system = 'urn:oid:1.2.246.537.6.40174') or (role.coding.code = '2' and (who.identifier.system = 'urn:oid:1.2.246.537.6.202' or who.identifier.system = 'urn:oid:1.2.246.537.6.203')))"

Profile: KykysiltaProvenance
Parent: Provenance
Id: kykysilta-provenance
Title: "Tietojen alkuperä"
Description: "Who gave, recorded or withdrew something, and by which mapping it became FHIR."
* insert Owned
* target 1..* MS
* activity MS
* agent MS
* agent.who only Reference(KykysiltaPractitioner or KykysiltaPractitionerRole or KykysiltaOrganization or KykysiltaClient or RelatedPerson or Device)
* agent.onBehalfOf only Reference(KykysiltaPractitioner or KykysiltaPractitionerRole or KykysiltaOrganization or KykysiltaClient or RelatedPerson or Device)
* entity MS
