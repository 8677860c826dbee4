// The national disclosure notice of social welfare, restated: its package is on no public registry. Kanta-style, not certified.
// A signed transaction of AuditEvent and Provenance pairs about one person; the ground stands as a contained Consent.

Profile: KykysiltaDisclosureNotice
Parent: AuditEvent
Id: kykysilta-disclosure-notice
Title: "Luovutusilmoitus"
Description: "What was disclosed outside Kanta, by whom, to whom, on what ground."
* insert RestatesKanta(SocialWelfareAuditEvent)
* meta.profile 1..* MS
* extension contains
    KantaTypeOfDisclosure named type-of-disclosure 0..1 MS and
    KantaConsent named consent 0..1 MS and
    KantaBusinessIdentifier named business-identifier 0..1 MS and
    DisclosureBasis named disclosure-basis 0..1 MS
* type = $iso-21089#disclose
* action 0..0
* outcome 0..0
* period 1..1 MS
* period.start 1..1
* period.end 0..0
* recorded MS
* purposeOfEvent 1..* MS
* purposeOfEvent.coding 1..*
* purposeOfEvent.coding.system 1..1
* purposeOfEvent.coding.code 1..1
* agent 2..* MS
* agent.role MS
* agent.who 1..1 MS
* insert SlicedByPattern(agent, role)
* agent contains controller 1..1 MS and professional 0..1 MS and client 0..1 MS
* agent[controller].role = $kanta-audit-role#1
* agent[controller].who only Reference(Organization)
* agent[professional].role = $kanta-audit-role#5
* agent[professional].who only Reference(Practitioner or PractitionerRole)
* agent[client].role = $kanta-audit-role#7
* agent[client].who only Reference(Patient)
* source.observer MS
* source.observer only Reference(Device)
* entity 2..* MS
* insert SlicedByPattern(entity, type)
* entity contains patient 1..1 MS and document 1..* MS
* entity[patient].type = $audit-entity-type#1
* entity[patient].what 1..1
* entity[patient].what only Reference(Patient)
* entity[document].type = $audit-entity-type#4
* entity[document].what 1..1
* entity[document].extension contains
    KantaFunctionCode named function-code 0..1 MS and
    KantaSpecificDocumentType named specific-document-type 0..1 MS and
    KantaCreationTime named creation-time 0..1 MS and
    KantaReleaseForPatientViewing named release-for-patient-viewing 0..1 MS and
    KantaSpecialContent named special-content 0..1 MS and
    KantaAuthorizationConsent named authorization-consent 0..1 MS and
    KantaRiskOfGivingLogData named risk-of-giving-log-data 0..1 MS
* entity[document].description MS
* entity[document] obeys kyk-notice-document
* obeys kyk-notice-purpose and kyk-notice-ground

// What is warned about: of these classifications few codes are known; a local code says so.
Invariant: kyk-notice-purpose
Severity: #warning
Description: "Käyttötarkoitus ei ole kansallisesta luokituksesta. Käytä luokitusta 1.2.246.537.6.3300, kun koodi tunnetaan. / The purpose is not of the national classification. Use 1.2.246.537.6.3300 where its code is known."
Expression: "purposeOfEvent.coding.where(system.startsWith('urn:oid:1.2.246.537.6.3300')).exists()"

Invariant: kyk-notice-ground
Severity: #error
Description: "Luovutukselta puuttuu peruste. Lisää sisällytetty suostumus tai luovutuksen peruste. / The disclosure has no ground. Add a contained consent, or the basis of the disclosure."
Expression: "extension.where(url = 'https://shark.kanta.fi/fhir/StructureDefinition/extension/Consent' or url = 'https://kykysilta.example/fhir/StructureDefinition/disclosure-basis').exists()"

Invariant: kyk-notice-document
Severity: #error
Description: "Asiakirjalta puuttuu tyyppi ja kuvaus. Lisää toinen. / The document has neither a type nor a description. Add one."
Expression: "description.exists() or extension.where(url = 'https://shark.kanta.fi/fhir/StructureDefinition/extension/SpecificDocumentType').exists()"

Profile: KykysiltaDisclosureNoticeConsent
Parent: Consent
Id: kykysilta-disclosure-notice-consent
Title: "Luovutusilmoituksen suostumus"
Description: "Proof of the ground of a disclosure, contained in the notice; no rule for anybody's access."
* insert RestatesKanta(SocialWelfareConsent)
* meta.profile 1..* MS
* status = #active
* scope = http://terminology.hl7.org/CodeSystem/consentscope#patient-privacy
* category = $loinc#59284-0
* patient 1..1 MS
* dateTime 1..1 MS
* performer 1..* MS
* policyRule 1..1 MS
* policyRule.coding 1..*
* policyRule.coding.system 1..1
* policyRule.coding.code 1..1
* obeys kyk-notice-manner

Invariant: kyk-notice-manner
Severity: #warning
Description: "Suostumuksen antotapa ei ole kansallisesta luokituksesta. Käytä luokitusta 1.2.246.537.5.40193, kun koodi tunnetaan. / The manner of the consent is not of the national classification. Use 1.2.246.537.5.40193 where its code is known."
Expression: "policyRule.coding.where(system.startsWith('urn:oid:1.2.246.537.5.40193')).exists()"

Profile: KykysiltaDisclosureNoticeProvenance
Parent: Provenance
Id: kykysilta-disclosure-notice-provenance
Title: "Luovutusilmoituksen alkuperä"
Description: "Who keeps the notice, who wrote it, whom it concerns and which system made it; ready for the archive."
* insert RestatesKanta(SocialWelfareAuditEventProvenance)
* meta.profile 1..* MS
* extension contains KantaStatus named status 1..1 MS
* target 1..1 MS
* target only Reference(AuditEvent)
* recorded MS
* agent 3..* MS
* agent.role MS
* insert SlicedByPattern(agent, role)
* agent contains controller 1..1 MS and professional 0..1 MS and client 1..1 MS and system 1..1 MS
* agent[controller].role = $kanta-provenance-role#1
* agent[controller].who only Reference(Organization)
* agent[professional].role = $kanta-provenance-role#2
* agent[professional].who only Reference(Practitioner or PractitionerRole)
* agent[client].role = $kanta-provenance-role#3
* agent[client].who only Reference(Patient)
* agent[system].role = $kanta-provenance-role#4
* agent[system].who only Reference(Device)

Profile: KykysiltaDisclosureNoticeBundle
Parent: Bundle
Id: kykysilta-disclosure-notice-bundle
Title: "Luovutusilmoitus lähetyksenä"
Description: "A signed transaction of notices with their Provenances, all about one person; only created, never changed."
* type = #transaction
* entry 2..* MS
* entry.fullUrl 1..1
* entry.resource 1..1
* entry.request 1..1
* entry.request.method = #POST
* signature 1..1 MS
* signature.type 1..1
* signature.type = urn:iso-astm:E1762-95:2013#1.2.840.10065.1.12.1.1
* signature.sigFormat 1..1
* signature.sigFormat = #application/jose
* signature.data 1..1
* obeys kyk-notice-pairs and kyk-notice-one-person

Invariant: kyk-notice-pairs
Severity: #error
Description: "Lähetyksessä saa olla vain luovutusilmoituksia (AuditEvent), ja kullakin on oltava oma alkuperätietonsa (Provenance). Lisää puuttuvat tai poista muut. / The transaction may hold notices (AuditEvent) alone, each with a Provenance of its own. Add what is missing, or remove the rest."
Expression: "entry.resource.all($this is AuditEvent or $this is Provenance) and entry.where(resource is AuditEvent).all(fullUrl in %resource.entry.resource.ofType(Provenance).target.reference) and entry.resource.ofType(AuditEvent).count() = entry.resource.ofType(Provenance).count()"

Invariant: kyk-notice-one-person
Severity: #error
Description: "Ilmoitukset koskevat useaa henkilöä. Lähetä kunkin henkilön ilmoitukset omana lähetyksenään. / The notices are about several persons. Send those of each person as a transaction of its own."
Expression: "(entry.resource.ofType(AuditEvent).entity.where(type.code = '1').what.identifier | entry.resource.contained.ofType(Patient).identifier.where(use.empty() or use = 'official')).select(system & '|' & value).distinct().count() = 1"

// National extensions of the notice, restated as a public test case of HL7 shows them.

Extension: KantaTypeOfDisclosure
Id: kanta-type-of-disclosure
Title: "Luovutuksen tyyppi"
Description: "National classification 1.2.246.537.5.40165; 8 = a worker disclosed client data."
Context: AuditEvent
* insert RestatesKantaExtension(shark, TypeOfDisclosure)
* insert OfNationalCode
* obeys kyk-type-of-disclosure

Invariant: kyk-type-of-disclosure
Severity: #error
Description: "Luovutuksen tyyppi ei ole kansallisesta luokituksesta. Käytä luokitusta 1.2.246.537.5.40165 tai jätä laajennus pois. / The type of disclosure is not of the national classification. Use 1.2.246.537.5.40165, or leave the extension out."
Expression: "value.ofType(Coding).system.startsWith('urn:oid:1.2.246.537.5.40165')"

Extension: KantaConsent
Id: kanta-consent
Title: "Luovutuslupa tai suostumus"
Description: "The contained consent that the disclosure rests on."
Context: AuditEvent
* insert RestatesKantaExtension(shark, Consent)
* value[x] 1..1
* value[x] only Reference(KykysiltaDisclosureNoticeConsent)

Extension: KantaBusinessIdentifier
Id: kanta-business-identifier
Title: "Ilmoituksen tunniste"
Description: "The sender's own identifier of the notice."
Context: AuditEvent
* insert RestatesKantaExtension(gen, BusinessIdentifier)
* value[x] 1..1
* value[x] only Identifier

Extension: KantaFunctionCode
Id: kanta-function-code
Title: "Palvelutehtävä"
Description: "National classification 1.2.246.537.6.1221."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, FunctionCode)
* value[x] 1..1
* value[x] only CodeableConcept

Extension: KantaSpecificDocumentType
Id: kanta-specific-document-type
Title: "Asiakirjatyyppi"
Description: "National classification 1.2.246.537.6.1506."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, SpecificDocumentType)
* insert OfNationalCode

Extension: KantaCreationTime
Id: kanta-creation-time
Title: "Asiakirjan luontiaika"
Description: "When the disclosed document was made."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, CreationTime)
* value[x] 1..1
* value[x] only dateTime

Extension: KantaReleaseForPatientViewing
Id: kanta-release-for-patient-viewing
Title: "Näyttäminen asiakkaalle"
Description: "Whether the client may see the document, and from which day."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, ReleaseForPatientViewing)
* extension contains ReleaseForPatientViewing 1..1 and ReleaseDateForPatientViewing 0..1
* extension[ReleaseForPatientViewing].value[x] 1..1
* extension[ReleaseForPatientViewing].value[x] only boolean
* extension[ReleaseDateForPatientViewing].value[x] 1..1
* extension[ReleaseDateForPatientViewing].value[x] only date

Extension: KantaSpecialContent
Id: kanta-special-content
Title: "Erityissuojattava sisältö"
Description: "The document holds specially protected content."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, SpecialContent)
* insert OfBoolean

Extension: KantaAuthorizationConsent
Id: kanta-authorization-consent
Title: "Alaikäisen kielto"
Description: "Whether a minor's consent is needed to show the document to guardians."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, AuthorizationConsent)
* insert OfBoolean

Extension: KantaRiskOfGivingLogData
Id: kanta-risk-of-giving-log-data
Title: "Lokitiedon antamisen riski"
Description: "Giving the client this log entry might endanger somebody."
Context: AuditEvent.entity
* insert RestatesKantaExtension(shark, RiskOfGivingLogData)
* insert OfBoolean

Extension: KantaStatus
Id: kanta-status
Title: "Asiakirjan tila"
Description: "National classification 1.2.246.537.5.40154; 3 = ready for the archive."
Context: Provenance
* insert RestatesKantaExtension(gen, Status)
* insert OfNationalCode
* valueCoding.code = #3
* obeys kyk-document-status

Invariant: kyk-document-status
Severity: #error
Description: "Asiakirjan tila ei ole kansallisesta luokituksesta. Käytä luokitusta 1.2.246.537.5.40154. / The status is not of the national classification. Use 1.2.246.537.5.40154."
Expression: "value.ofType(Coding).system.startsWith('urn:oid:1.2.246.537.5.40154')"

Extension: KantaRegisterType
Id: kanta-register-type
Title: "Rekisteri"
Description: "The register of the controller, 1.2.246.537.6.1264 or 1.2.246.537.5.40150."
Context: Organization
* insert RestatesKantaExtension(gen, RegisterType)
* insert OfNationalCode

Extension: KantaPractitionerTitle
Id: kanta-practitioner-title
Title: "Virka- tai tehtävänimike"
Description: "The professional's title in the organisation."
Context: Practitioner
* insert RestatesKantaExtension(gen, PractitionerTitle)
* value[x] 1..1
* value[x] only string

Extension: KantaPractitionerAuthenticationMethod
Id: kanta-practitioner-authentication-method
Title: "Tunnistautumistapa"
Description: "How the professional signed in, 1.2.246.537.5.40128."
Context: Practitioner
* insert RestatesKantaExtension(gen, PractitionerAuthenticationMethod)
* insert OfNationalCode

RuleSet: RestatesKanta(name)
* ^purpose = "Restates https://shark.kanta.fi/fhir/StructureDefinition/{name} (kanta.sosiaalihuolto.r4 1.0.0), whose package is on no public registry."

RuleSet: RestatesKantaExtension(host, name)
* ^url = "https://{host}.kanta.fi/fhir/StructureDefinition/extension/{name}"
* ^purpose = "Restates the national extension of this address."

RuleSet: OfNationalCode
* value[x] 1..1
* value[x] only Coding
* valueCoding.system 1..1
* valueCoding.code 1..1
* valueCoding.display 1..1

RuleSet: OfBoolean
* value[x] 1..1
* value[x] only boolean
