// Observations: one profile for each class of data, because a consent names the classes by their profiles.

Profile: KykysiltaObservation
Parent: Observation
Id: kykysilta-observation
Title: "Havainto"
Description: "What all our Observations share."
* ^abstract = true
* insert Owned
* insert RestatesFinnishBase(fi-base-observation)
* insert OfClient(subject)
* identifier 1..* MS
* category 1..* MS
* category ^slicing.discriminator[0].type = #value
* category ^slicing.discriminator[0].path = "coding.system"
* category ^slicing.rules = #open
* category contains kind 1..* MS
* category[kind] from https://kykysilta.example/fhir/ValueSet/observation-category (extensible)
* category[kind].coding 1..*
* category[kind].coding.system 1..1
* category[kind].coding.system = "http://terminology.hl7.org/CodeSystem/observation-category"
* code MS
* effective[x] MS
* performer only Reference(KykysiltaPractitioner or KykysiltaPractitionerRole or KykysiltaOrganization or KykysiltaClient or CareTeam or RelatedPerson)
* basedOn only Reference(CarePlan or DeviceRequest or ImmunizationRecommendation or MedicationRequest or NutritionOrder or ServiceRequest)
* hasMember only Reference(KykysiltaObservation or QuestionnaireResponse or MolecularSequence)
* derivedFrom only Reference(DocumentReference or ImagingStudy or Media or QuestionnaireResponse or KykysiltaObservation or MolecularSequence)
* extension contains ClientView named client-view 0..1 MS

Profile: KykysiltaObservationWorkAbilityPlan
Parent: KykysiltaObservation
Id: kykysilta-observation-work-ability-plan
Title: "Suunnitelman tieto"
Description: "Needs, strengths and results of follow-up (data class work-ability-plan)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationIncomeAndDebt
Parent: KykysiltaObservation
Id: kykysilta-observation-income-and-debt
Title: "Toimeentulon tieto"
Description: "Benefits and income (data class income-and-debt)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationEmploymentService
Parent: KykysiltaObservation
Id: kykysilta-observation-employment-service
Title: "Työllisyyspalvelun tieto"
Description: "Employment situation, work history, TYP screening (data class employment-service)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationEducation
Parent: KykysiltaObservation
Id: kykysilta-observation-education
Title: "Koulutuksen tieto"
Description: "Education and support in studies (data class education)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationFamilyAndHousing
Parent: KykysiltaObservation
Id: kykysilta-observation-family-and-housing
Title: "Perheen ja asumisen tieto"
Description: "Family and housing (data class family-and-housing)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationIdentityAndContact
Parent: KykysiltaObservation
Id: kykysilta-observation-identity-and-contact
Title: "Asioinnin tieto"
Description: "How the client can be reached (data class identity-and-contact)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaObservationHealthCheck
Parent: KykysiltaObservation
Id: kykysilta-observation-health-check
Title: "Terveystarkastuksen havainto"
Description: "A finding of a health check (data class health-check)."

Profile: KykysiltaObservationMentalHealth
Parent: KykysiltaObservation
Id: kykysilta-observation-mental-health
Title: "Mielenterveystieto"
Description: "Mental-health data: confidentiality R, sensitivity PSY (BR-079)."

Profile: KykysiltaObservationSubstanceUse
Parent: KykysiltaObservation
Id: kykysilta-observation-substance-use
Title: "Päihdetieto"
Description: "Substance-use data: confidentiality R, sensitivity SUD (BR-079)."

Profile: KykysiltaObservationSocialWelfare
Parent: KykysiltaObservation
Id: kykysilta-observation-social-welfare
Title: "Sosiaalihuollon tieto"
Description: "Social-welfare data: confidentiality R, local sensitivity social-welfare (BR-079)."

Profile: KykysiltaObservationOccupationalHealth
Parent: KykysiltaObservation
Id: kykysilta-observation-occupational-health
Title: "Työterveyshuollon tieto"
Description: "What occupational health tells (data class occupational-health)."

Profile: KykysiltaObservationTreatment
Parent: KykysiltaObservation
Id: kykysilta-observation-treatment
Title: "Hoidon tieto"
Description: "Treatment and medication (data class treatment)."

Profile: KykysiltaObservationWorkAbilityEvaluation
Parent: KykysiltaObservation
Id: kykysilta-observation-work-ability-evaluation
Title: "Työkyvyn havainto"
Description: "Remaining work ability and causes of partial ability (data class work-ability-evaluation)."
* code from https://kykysilta.example/fhir/ValueSet/observation-code (extensible)

Profile: KykysiltaHealthCheck
Parent: KykysiltaObservation
Id: kykysilta-health-check
Title: "Työttömän terveystarkastus"
Description: "The panel of a health check; its findings are members."
* code = $observation-code#health-check
* value[x] 0..0
* effective[x] 1..1
* effective[x] only dateTime
* performer 1..1 MS
* method 1..1 MS
* method from https://kykysilta.example/fhir/ValueSet/health-check-level (required)
* basedOn MS
* hasMember MS
* derivedFrom MS
* component 1..* MS
* component ^slicing.discriminator[0].type = #pattern
* component ^slicing.discriminator[0].path = "code"
* component ^slicing.rules = #open
* component contains needIdentifiedBy 0..1 MS and furtherEvaluation 0..1 MS and healthSurvey 0..1 MS and outcomeRoute 0..* MS
* component[needIdentifiedBy].code = $observation-component#need-identified-by
* component[needIdentifiedBy].value[x] only CodeableConcept
* component[needIdentifiedBy].valueCodeableConcept from https://kykysilta.example/fhir/ValueSet/referrer (required)
* component[furtherEvaluation].code = $observation-code#further-evaluation-needed
* component[furtherEvaluation].value[x] only boolean
* component[healthSurvey].code = $observation-code#health-survey
* component[healthSurvey].value[x] only string
* component[outcomeRoute].code = $observation-component#outcome-routes
* component[outcomeRoute].value[x] only CodeableConcept
* component[outcomeRoute].valueCodeableConcept from https://kykysilta.example/fhir/ValueSet/health-check-outcome (required)

Profile: KykysiltaWorkAbilityEvaluation
Parent: KykysiltaObservation
Id: kykysilta-work-ability-evaluation
Title: "Työkykyarvio"
Description: "An evaluation of work ability in relation to a named work."
* code = $observation-code#work-ability-evaluation
* value[x] 1..1 MS
* value[x] only CodeableConcept
* valueCodeableConcept from https://kykysilta.example/fhir/ValueSet/work-ability-state (required)
* performer 1..1 MS
* component MS

Profile: KykysiltaSickLeave
Parent: KykysiltaObservation
Id: kykysilta-sick-leave
Title: "Sairausloma"
Description: "A sick leave and the examination that it rests on."
* code = $observation-code#sick-leave
* value[x] 1..1 MS
* value[x] only Period
* valuePeriod.start 1..1
* derivedFrom MS

Profile: KykysiltaFunctionalAssessment
Parent: KykysiltaObservation
Id: kykysilta-functional-assessment
Title: "Työ- ja toimintakyvyn mittaus"
Description: "The result of one instrument; a score, a routing result or a forecast, and its domains."
* category contains purpose 0..1 MS
* category[purpose] from https://kykysilta.example/fhir/ValueSet/assessment-purpose (required)
* category[purpose].coding 1..*
* category[purpose].coding.system 1..1
* category[purpose].coding.system = "https://kykysilta.example/fhir/CodeSystem/assessment-purpose"
* code.coding ^slicing.discriminator[0].type = #value
* code.coding ^slicing.discriminator[0].path = "system"
* code.coding ^slicing.rules = #open
* code.coding contains instrument 1..1 MS
* code.coding[instrument].system = "https://kykysilta.example/fhir/CodeSystem/instrument"
* code.coding[instrument] from https://kykysilta.example/fhir/ValueSet/instrument (required)
* effective[x] 1..1
* effective[x] only dateTime
* value[x] only Quantity or CodeableConcept
* method MS
* method from https://kykysilta.example/fhir/ValueSet/assessment-mode (required)
* derivedFrom MS
* component MS

// Results of one instrument, for those who read scores: derived profiles with the instrument's own range.
Profile: KykysiltaKykyviisari
Parent: KykysiltaFunctionalAssessment
Id: kykysilta-kykyviisari
Title: "Kykyviisari"
Description: "Own estimate of work ability, 0–10."
* code.coding[instrument].code = #kykyviisari
* value[x] only Quantity
* valueQuantity ^minValueQuantity.value = 0
* valueQuantity ^maxValueQuantity.value = 10

Profile: KykysiltaWhodas
Parent: KykysiltaFunctionalAssessment
Id: kykysilta-whodas
Title: "WHODAS 2.0"
Description: "Simple sum of twelve items (0–48) or percentage (0–100)."
* code.coding[instrument].code = #whodas-2-0
* value[x] only Quantity
* valueQuantity ^minValueQuantity.value = 0
* valueQuantity ^maxValueQuantity.value = 100

Profile: KykysiltaWhoqol
Parent: KykysiltaFunctionalAssessment
Id: kykysilta-whoqol
Title: "WHOQOL-BREF"
Description: "Quality of life: four domains, 0–100 each, no total."
* code.coding[instrument].code = #whoqol-bref
* value[x] 0..0

Profile: KykysiltaWorkDisabilityForecast
Parent: KykysiltaFunctionalAssessment
Id: kykysilta-work-disability-forecast
Title: "Työkyvyttömyyden ennuste"
Description: "Probability of work disability in per cent; a forecast, never a finding (BR-111)."
* code.coding[instrument].code = #work-disability-risk-forecast
* value[x] only Quantity
* valueQuantity = $ucum#%
* valueQuantity ^minValueQuantity.value = 0
* valueQuantity ^maxValueQuantity.value = 100

Profile: KykysiltaSymptomCheck
Parent: KykysiltaFunctionalAssessment
Id: kykysilta-symptom-check
Title: "Oirearvio"
Description: "Where a symptom check (Omaolo, Klinik) directs the client; it has no score."
* value[x] only CodeableConcept
