// The consent in the one form that is written: a permit at the top, denies below it.

Profile: KykysiltaConsent
Parent: Consent
Id: kykysilta-consent
Title: "Suostumus"
Description: "A client's consent or permission to share work-ability data. Never a national luovutuslupa."
* insert Owned
* insert OfClient(patient)
* identifier 1..* MS
* identifier.system 1..1
* identifier.value 1..1
* extension contains ConsentForm named consent-form 1..1 MS
* status MS
* scope MS
* category 2..* MS
* category ^slicing.discriminator[0].type = #pattern
* category ^slicing.discriminator[0].path = "$this"
* category ^slicing.rules = #open
* category contains kind 1..1 MS
* category[kind] = $v3-ActCode#IDSCL
* dateTime 1..1 MS
* performer 1..1 MS
* organization 1..* MS
* organization only Reference(KykysiltaOrganization)
* source[x] MS
* policyRule 1..1 MS
* policyRule = $v3-ActCode#OPTIN
* verification 1..1 MS
* provision 1..1 MS
* provision.type 1..1
* provision.type = #permit
* provision.period 1..1 MS
* provision.actor 1..* MS
* provision.actor.role = $v3-ParticipationType#IRCP
* provision.action 1..* MS
* provision.purpose 1..* MS
* provision.purpose from https://kykysilta.example/fhir/ValueSet/consent-purpose (required)
* provision.class 1..* MS
* provision.class.system = "urn:ietf:rfc:3986"
* provision.data MS
* provision.provision MS
* provision.provision.type 1..1
* provision.provision.type = #deny
* provision.provision.provision 0..0
