//! Names of elements, data types and search parameters.
//!
//! Made by `make tables` from the published definitions of FHIR R4 (4.0.1): never edit it.

/// Every name, one behind the other, sorted by their bytes.
pub(in crate::fhir) static TEXT: &str = "\
AccountActivityDefinitionAddressAdverseEventAgeAllergyIntoleranceAnnotationAppointmentAppointmentResponseAttachment\
AuditEventBackboneElementBasicBinaryBiologicallyDerivedProductBodyStructureBundleCapabilityStatementCarePlanCareTeam\
CatalogEntryChargeItemChargeItemDefinitionClaimClaimResponseClinicalImpressionCodeSystemCodeableConceptCoding\
CommunicationCommunicationRequestCompartmentDefinitionCompositionConceptMapConditionConsentContactDetailContactPoint\
ContractContributorCountCoverageCoverageEligibilityRequestCoverageEligibilityResponseDataRequirementDetectedIssue\
DeviceDeviceDefinitionDeviceMetricDeviceRequestDeviceUseStatementDiagnosticReportDistanceDocumentManifest\
DocumentReferenceDomainResourceDosageDurationEffectEvidenceSynthesisElementElementDefinitionEncounterEndpoint\
EnrollmentRequestEnrollmentResponseEpisodeOfCareEventDefinitionEvidenceEvidenceVariableExampleScenario\
ExplanationOfBenefitExpressionExtensionFamilyMemberHistoryFlagGoalGraphDefinitionGroupGuidanceResponse\
HealthcareServiceHumanNameIdentifierImagingStudyImmunizationImmunizationEvaluationImmunizationRecommendation\
ImplementationGuideInsurancePlanInvoiceLibraryLinkageListLocationMarketingStatusMeasureMeasureReportMediaMedication\
MedicationAdministrationMedicationDispenseMedicationKnowledgeMedicationRequestMedicationStatementMedicinalProduct\
MedicinalProductAuthorizationMedicinalProductContraindicationMedicinalProductIndicationMedicinalProductIngredient\
MedicinalProductInteractionMedicinalProductManufacturedMedicinalProductPackagedMedicinalProductPharmaceutical\
MedicinalProductUndesirableEffectMessageDefinitionMessageHeaderMetaMolecularSequenceMoneyNamingSystemNarrative\
NutritionOrderObservationObservationDefinitionOperationDefinitionOperationOutcomeOrganizationOrganizationAffiliation\
ParameterDefinitionParametersPatientPaymentNoticePaymentReconciliationPeriodPersonPlanDefinitionPopulation\
PractitionerPractitionerRoleProcedureProdCharacteristicProductShelfLifeProvenanceQuantityQuestionnaire\
QuestionnaireResponseRangeRatioReferenceRelatedArtifactRelatedPersonRequestGroupResearchDefinition\
ResearchElementDefinitionResearchStudyResearchSubjectResourceResourceListRiskAssessmentRiskEvidenceSynthesis\
SampledDataScheduleSearchParameterServiceRequestSignatureSlotSpecimenSpecimenDefinitionStructureDefinition\
StructureMapSubscriptionSubstanceSubstanceAmountSubstanceNucleicAcidSubstancePolymerSubstanceProtein\
SubstanceReferenceInformationSubstanceSourceMaterialSubstanceSpecificationSupplyDeliverySupplyRequestTask\
TerminologyCapabilitiesTestReportTestScriptTimingTriggerDefinitionUsageContextValueSetVerificationResult\
VisionPrescription_content_filter_has_id_lastUpdated_list_profile_query_security_source_tag_text_typeabatement\
abatement-ageabatement-dateabatement-stringabatementAgeabatementDateTimeabatementPeriodabatementRangeabatementString\
abnormalCodedValueSetaboutabstractacceptaccessionaccessionIdentifieraccidentaccountachievement-status\
achievementStatusactionactionIdactiveactivityactivity-codeactivity-dateactivity-referenceactoractorIdactualactualArm\
actualityaddaddItemadditionalCharacteristicadditionalClassificationadditionalIdentifieradditionalInstruction\
additionalMonitoringIndicatoradditiveadditiveProductNameadditiveTypeaddressaddress-cityaddress-country\
address-postalcodeaddress-stateaddress-useaddressesadjudicationadjustmentadjustmentReasonadministered-by\
administeredByadministrableDoseFormadministrationadministrationGuidelinesadministrationInstructionadmitSource\
affectsStateageagentagent-nameagent-roleagent-typeaggregationaliasallDayallergenicIndicatorallergyIntoleranceallowed\
allowedResponsealtIdalternatealternateMaterialalternativealtidaltitudeamountamountRatioLowLimitamountTextamountType\
anchoransweranswerOptionanswerValueSetapplicabilityapplicationappliesappliesToappliesToAllappointment\
appointment-typeappointmentRequiredappointmentTypeapprovalDateareaOfHybridisationareaUnderCurvearmasNeededassert\
asserterassessmentassessorassetassignedArmassignerassociatedMedicationassuranceattachedDocumentattachmentattestation\
attestationSignatureattesterauthenticatorauthorauthorDescriptionauthorTypeauthoredauthored-onauthoredOnauthoredon\
authorisationReferenceNumberauthorityauthorizationRequiredauthorizationSupportingauthorizationUrl\
authorizingPrescriptionautocreateautodeleteavailabilityExceptionsavailableEndTimeavailableStartTimeavailableTime\
averageMolecularFormulaaxisbackCurvebasebase-pathbase64BinarybaseDefinitionbaseFormulaProductNamebaseFormulaType\
based-onbasedOnbasedonbasisbatchbatchIdentifierbeneficiarybenefitbenefitBalancebenefitPeriodbillablePeriodbinding\
birthDatebirthdatebody-sitebodySitebodysitebooleanbornboundsbrandbusiness-statusbusinessArrangementbusinessStatus\
cTerminalModificationcTerminalModificationIdcalibrationcaloricDensitycanPushUpdatescancelationReasoncancelledReason\
candidatecanonicalcapcapabilitiescapabilitycapacitycardinalityBehaviorcare-managercare-teamcareManagercareTeam\
careTeamSequencecarrierAIDCcarrierHRFcaseSensitivecategorycausalitycertaintycertaintySubcomponentchainchannel\
characteristiccharacteristic-valuecharacteristicschargeItemcheckchromosomechromosome-variant-coordinate\
chromosome-window-coordinatecigarcitationcityclaimclaimResponseclassclass-typeclass-valueclassHistoryclassification\
classification-typeclinical-statusclinicalRecommendationStatementclinicalStatusclinicalTrialclosingTimeclosurecode\
code-value-conceptcode-value-datecode-value-quantitycode-value-stringcodeCodeableConceptcodeFiltercodeReference\
codeSearchcodeSystemcodingcollectedcollectedDateTimecollectedPeriodcollectioncollectorcolor\
combinedPharmaceuticalDoseFormcombo-codecombo-code-value-conceptcombo-code-value-quantitycombo-data-absent-reason\
combo-value-conceptcombo-value-quantitycommentcommunicationcommunicationMethodcommunicationRequestcomorbidity\
comparatorcompareToSourceExpressioncompareToSourceIdcompareToSourcePathcompartmentcomplicationcomplicationDetail\
componentcomponent-codecomponent-code-value-conceptcomponent-code-value-quantitycomponent-data-absent-reason\
component-value-conceptcomponent-value-quantitycomposecomposed-ofcompositeScoringcompositioncompositional\
concentrationconcentrationLowLimitconceptconclusionconclusionCodeconditionconditionalCreateconditionalDelete\
conditionalReadconditionalUpdateconfidentialityconfidentialityIndicatorconnection-typeconnectionTypeconnectivity\
consentconsentorconstraintcontactcontainedcontainedInstancecontainercontainer-idcontainer-identifiercontainscontent\
content-modecontent-typecontentDefinitioncontentDerivativecontentReferencecontentTypecontenttypecontext\
context-quantitycontext-typecontext-type-quantitycontext-type-valuecontextInvariantcontextLinkIdcontextTypecontract\
contraindicatedVaccineCodecontraindicationcontributedToDeathcontributorcontrolconversionFactorcoordinateSystem\
copolymerConnectivitycopyrightcorscostcostCentercostToBeneficiarycountcountMaxcountrycountryLanguagecountryOfOrigin\
courseOfTherapyTypecoveragecoverage-areacoverageAreacreatedcreatedDateTimecreatedPeriodcreationcriteria\
criticalCodedValueSetcriticalitycrossReferencecurrencycustodiancustomaryUnitcylinderdailyAmountdata\
data-absent-reasondataAbsentReasondataExclusivityPerioddataPerioddataRequirementdatasetIddatedateAsserted\
dateCriteriondateFilterdateOfFirstAuthorizationdateRangedateTimedateWrittendatetimedatewrittendayOfWeekdaysOfWeek\
daysSupplydeath-datedeceaseddeceasedBooleandeceasedDateTimedecimaldecimalPrecisiondecisiondecisionModedefaultValue\
definingSubstancedefinitiondefinitionCanonicaldefinitionUridegreedegreeOfPolymerisationdeleteddeliverFromdeliverTo\
denominatordenominatorCountdependentdepends-ondependsOndependsondepthderivationderived-fromderivedFromderivedFromUri\
descriptiondesignationdestinationdestination-uridetaildetail-udidetailSequencedetailsdetecteddetectedIssue\
developmentStagedevicedevice-namedeviceIdentifierdeviceNamediagnosisdiagnosisSequencediagnosticsdiameterdicom-class\
dietPreferencedifferentialdimensionsdirectiondischargeDispositiondisclaimerdiscriminatordiseasediseaseStatus\
diseaseSymptomProceduredispenseIntervaldispenseRequestdisplaydispositiondistinctIdentifierdistrictdisulfideLinkage\
divdoNotPerformdocStatusdocumentdocumentTypedocumentationdomaindosagedosageInstructiondosedose-statusdoseAndRate\
doseFormdoseNumberdoseQuantitydoseStatusdoseStatusReasondoseformdrugCharacteristicduedueDatedurationdurationMax\
durationUnitduringdynamicValueeditoreducationeffecteffectEstimateeffectiveeffective-timeeffectiveDate\
effectiveDateTimeeffectiveInstanteffectivePeriodeffectiveTimeeffectiveTimingelementeligibilityemailempty-reason\
emptyReasonenableBehaviorenableWhenencodeRequestUrlencounterendendorserendpointenrollmententeralFormulaentered-date\
enteredDateentererentityentity-nameentity-roleentity-typeentryentryTypeepisode-of-careepisodeOfCareequivalenceerror\
estimatedAgeetagevaluated-resourceevaluatedResourceevaluationMessageeventevent-dateeventCodingeventHistoryeventUri\
evidenceevidence-detailexactexampleexceptionexcludeexcludeFoodModifierexcludedexecutionPeriodexpansion\
expectedSupplyDurationexperimentalexpiration-dateexpirationDateexpirationTypeexpiryexposureexposureAlternative\
exposureBackgroundexposureRouteexposureStateexposureVariantexpressedByexpressionext-contextextendsextension\
externalDiameterextraDetailseyefMeasurefScorefacilityfacilityTypefactorfactor-overridefactorOverridefailureAction\
familyfastingStatusfhirVersionfhirversionfieldfilterfinancialfindingfinding-codefinding-reffirstDosefivePrimefixed\
fixtureflagfluidConsistencyTypefocalfocalDevicefocusfollowUpfoodPreferenceModifierfoodTypeforforecastReason\
forecastStatusformformCodeformatformulafractionfractionDescriptionframesfrequencyfrequencyMaxfrequencyOfOccurrence\
friendlyfromfullUrlfunctionfundingSourcefundsReservefundsReserveRequestedgendergenegeneElementgeneSequenceOrigin\
general-practitionergeneralCostgeneralPractitionergenerationgenomeBuildgenusgeographicalLocationgeometry\
gestationalAgegivenglobalgoalgoalIdgraphgroupgroup-identifiergroupIdentifiergroupMeasuregroupSizegrouping\
groupingBehaviorgroupingIdgtFPguarantorguidanceguidehalfLifehalfLifePeriodhandlinghas-memberhasMemberhashheader\
headerFieldhealthcareServiceheighthierarchicalhierarchyMeaninghighhighLimithintholderhospitalizationhoursOfOperation\
humanhybridhybridTypeidid-typeidentifiedidentifiedDateTimeidentifiedPeriodidentifieridentityidentityCertificate\
ifMatchifModifiedSinceifNoneExistifNoneMatchimageimagingStudyimmediatePackagingimmunization-eventimmunizationEvent\
immutableimplementationimplementationGuideimplicatedimplicitRulesimportimportsimprintimprovementNotationinResponseTo\
inactiveincidenceincludeincoming-referralincompleteindexindicationindividualinforceinformationinformationSequence\
informationSourceingredientingredient-codeinitialinitialFillinitialSelectedinitiatorinitiatorActiveinnerinput\
input-profileinputProfileinstanceinstantinstantiatesinstantiates-canonicalinstantiates-uriinstantiatesCanonical\
instantiatesUriinstructioninsuranceinsurerintegerintended-dispenserintended-performerintended-performertype\
intendedEffectintendedRouteintendedUseintentinteractantinteractioninternationalBirthDateinterpretationinterpreter\
intraspecificDescriptionintraspecificTypeinvestigationisActiveisDefaultisDefiningisDerivedisModifierisModifierReason\
isSubpotentisSummaryisotopeissueissuedissueritemitem-udiitemCodeableConceptitemReferenceitemSequencejurisdiction\
jurisdictionalAuthorizationkeykeywordkindkineticskingdomlabellanguagelanguageCodelast-datelastModifiedlastOccurrence\
lastPerformedlastReviewDatelastUpdatedlateralitylatitudelegallegalBasislegalStatelegalStatusOfSupplylegallyBinding\
lengthlensSpecificationlethalDose50levellibrarylicenselifecyclelifecycle-statuslifecycleStatuslimitlinelineItemlink\
linkIdlinkagelistModelistRuleIdlocationlocation-periodlocationCodelocationQualifierlocationReferencelockedDate\
logMessagelongitudelot-numberlotNumberlowlowLimitlowerLimitmanagementmanaging-entitymanagingEntity\
managingOrganizationmanifestmanifestationmanipulatedmanipulationmanufactureDatemanufacturedDoseFormmanufacturedItem\
manufacturermanufacturingBusinessOperationmapmappingmaritalStatusmarkdownmarketingAuthorizationmarketingStatus\
masterFilemasterIdentifiermaterialmaterialTypematernalOrganismIdmaternalOrganismNamemaxmaxDispense\
maxDosePerAdministrationmaxDosePerDaymaxDosePerLifetimemaxDosePerPeriodmaxDosePerTreatmentPeriodmaxDurationmaxLength\
maxSingleDosemaxTreatmentPeriodmaxValuemaxVolumeToDelivermeaningmeaningWhenMissingmeasuremeasureScore\
measurementPeriodmeasurementPointmediamedicationmedicationCodeableConceptmedicationReferencemedicineClassification\
mediummembermessagemessagingmetametadatamethodminminValueminimumIdminimumVolumeminutesDurationmitigationmodalitymode\
modelmodelNumbermodificationmodifiedmodifiermodifierExtensionmodulemoietymolecularFormulamolecularFormulaByMoiety\
molecularWeightmonitoring-program-namemonitoring-program-typemonitoringProgrammonographmonograph-typemonomerSet\
morphologymultipleAndmultipleBirthmultipleOrmultipleResultsAllowedmustSupportnTerminalModification\
nTerminalModificationIdnamename-languagenamePartnavigationLinksnearneedneedsMapnetnetworknextSchedulednominalVolume\
normalCodedValueSetnotAvailablenotenoteNumbernotesnucleicAcidnumFNnumFPnumTPnumbernumberOfInstances\
numberOfParticipantsnumberOfRepeatsAllowednumberOfSeriesnumberOfStudiesnumberOfSubunitsnumberOfUnitsnumerator\
numeratorCountnutrientobjectiveobservationRequirementobservationResultRequirementobservedAlleleobservedSeqobserver\
occurredoccurredDateTimeoccurrenceoccurrenceDateTimeoccurrencePeriodoccurrenceStringoccurrenceTimingofferofficial\
offsetoidoligoNucleotideTypeonAdmissiononBehalfOfonHoldonlineInformationonsetonset-ageonset-dateonset-infoonsetAge\
onsetDateTimeonsetPeriodonsetRangeonsetStringopopeningTimeoperationoperationTypeoperational-statusoperationalStatus\
operatoropticalActivityoralDietoraldietorderorderDetailorderMeaningorderableorderedorderedByordererorganism\
organismGeneralorganismIdorganismNameorganismTypeorganizationorientationorientationOfPolymerisationorigin\
originalPrescriptionotherotherCharacteristicsotherTherapyoutcomeoutcomeCodeoutcomeCodeableConceptoutcomeDesc\
outcomeReferenceouterouterPackagingoutputoutput-profileoutputParametersoutputProfileoverbookedoverloadoverrideReason\
owned-byownedByownerpackageCodepackageIdpackageItempackagedMedicinalProductpackagingpaediatricUseIndicatorpagepaging\
paramparameterparameterNameparametersparamsparentparentDeviceparentSubstanceIdparentSubstanceNamepartpart-of\
part-statuspartDescriptionpartLocationpartNumberpartOfparticipantparticipant-roleparticipant-type\
participantEffectiveparticipantEffectiveDescriptionparticipantEffectiveGroupMeasureparticipantEffectiveTimeFromStart\
participantStatusparticipantTypeparticipating-organizationparticipatingOrganizationpartofpartypatchFormat\
paternalOrganismIdpaternalOrganismNamepathpatientpatientCharacteristicspatientInstructionpatientPreparationpattern\
pausepayeepayeeTypepayloadpayload-typepayloadMimeTypepayloadTypepaymentpayment-datepayment-issuerpayment-status\
paymentAmountpaymentDatepaymentIdentifierpaymentIssuerpaymentStatuspaymentTermspayorperformedperformedAge\
performedDateTimeperformedPeriodperformedRangeperformedStringperformerperformer-actorperformer-function\
performer-typeperformerLinkIdperformerRoleperformerTypeperforming-organizationperformingOrganizationperiodperiodMax\
periodTypeperiodUnitpermittedDataTypepharmaceuticalProductphasephonephoneticphotophylumphysicalCharacteristics\
physicalTypephysiologicalConditionplanplanningHorizonpointerpointspolicypolicy-holderpolicyHolderpolicyRulepolymer\
populationpositionpositiveIntpostConditionspostalCodepowerpracticeSettingpractitionerpreAdmissionIdentifier\
preAuthPeriodpreAuthRefpreAuthRefPeriodpreConditionsprecedenceprecheckBehaviorprecisionprecisionEstimatepredecessor\
predictionpreferencepreferredpreferredReportNameprefixpreparationpreparationInstructionprescriberprescription\
presentationpresentationDatepresentationLowLimitpresentedFormpreviousprice-overridepriceComponentpriceOverride\
primary-organizationprimaryPurposeTypeprimarySourceprincipalInvestigatorprincipalinvestigatorprior-request\
priorPrescriptionpriorRequestpriorityprismprobabilityprobabilityDecimalprobabilityRangeproblemprocedureprocedure-udi\
procedureCodeprocedureReferenceprocedureSequenceprocessprocessNoteprocessingproductproductCategory\
productClassificationproductCodeproductNameproductOrServiceproductRelatednessproductTypeprofile\
prognosisCodeableConceptprognosisReferenceprogramprogramCodeprogramEligibilityprogresspropertypropertyGroupprotein\
protocolprotocolAppliedprovidedByproviderprovisionproxyIdentityCertificateproxySignaturepublicationDate\
publicationStatuspublisherpurposepurposeOfEventpurposeOfUsepushTypeAvailablequalificationqualifiedIntervalqualifiers\
qualitativeRiskqualityquantitativeDetailsquantityqueryqueryFPqueryTPquestionquestionnaireracerangerankrate\
rateAggregationratingratioTyperationalereAdmissionreactionreaction-datereadCoveragereadHistoryreadOnlyreadsetId\
reasonreason-codereason-givenreason-not-givenreason-referencereasonCodereasonLinkIdreasonReferencereasonStopped\
recallreceivedreceivedTimereceiverreceiverActiverecipientrecommendationrecordedrecorded-daterecordedDaterecordedOn\
recorderrefreferencereferenceAllelereferenceDocumentreferenceInformationreferencePolicyreferenceRangereferenceSeq\
referenceSeqIdreferenceSeqPointerreferenceSeqStringreferenceStrengthreferencedFromreferencedItemreferenceseqid\
referenceseqid-variant-coordinatereferenceseqid-window-coordinatereferralreferralMethodreferralRequestreferrer\
regulatorregulatoryregulatoryAuthorityrejectionCriterionrelatedrelated-idrelated-refrelatedActionrelatedArtifact\
relatedEntryrelatedMedicationKnowledgerelatedpersonrelatesTorelatestorelationrelationshiprelationtyperelativePath\
relativeRiskreleaseDaterelevantHistoryreliableCacherenderingrepeatrepeatUnitrepeatUnitAmountTyperepeatsrepetitions\
replacesreportreportOriginreportedreporterrepositoryrepresentationrequestrequestHeaderrequestIdrequestIdentifier\
requestMethodrequestProviderrequestURLrequestedPeriodrequesterrequesterLinkIdrequesting-organization\
requestingOrganizationrequestorrequiredrequiredBehaviorrequirementrequirementsrequisitionresidueSiteresource\
resource-profileresourceIdresourceTyperesponseresponse-idresponseCoderesponseIdresponseRequiredresponsible\
responsiblePartyresponsiblepartyrestrestoreDaterestrictionresultresultingConditionresultingcondition\
results-interpreterresultsByExposureresultsInterpreterretentionTimerevenuereviewerriskriskAdjustmentriskEstimate\
riskEvidenceSynthesisrocrolerouterouteOfAdministrationrouteofAdministrationrulerulessafetysampleSizescaleschedule\
scheduledscheduledPeriodscheduledStringscheduledTimingscopescorescoringsearchsearchIncludesearchParam\
searchRevIncludesearchTypesectionsecuritysecurity-labelsecurity-servicesecurityContextsecurityLabel\
securityLabelNumberselectionBehaviorsendersensitivitysentsequencesequenceAttachmentsequenceTypeserialNumberseries\
seriesDosesseriousnessserviceservice-categoryservice-providerservice-typeserviceCategoryservicePeriodserviceProvider\
serviceProvisionCodeserviceTypeservicedsettingsetupseveritysexshapeshelfLifeStorageshortshortTitlesigFormatsignature\
signature-typesignersitesituationsizesliceIsConstrainingsliceNameslicingslotsnapshotsoftwaresopClasssortsource\
source-codesource-costsource-referencesource-systemsource-urisourceAttachmentsourceCanonicalsourceId\
sourceIdentityCertificatesourceMaterialsourceMaterialClasssourceMaterialStatesourceMaterialTypesourcePatientInfo\
sourceReferencesourceSignaturesourceUrisourceVersionspecial-arrangementspecialArrangementspecialCourtesy\
specialDesignationspecialMeasuresspecialPrecautionsForStoragespecializationspecialtyspeciesspecificCost\
specifiedSubstancespecimenspecimenQuantityspecimenRequirementspheresponsorstagestandardSequencestartstart-date\
startDatestartedstartingMaterialstatestatusstatus-reasonstatusDatestatusHistorystatusReasonstepstereochemistry\
storagestrandstratifierstratumstrengthstrengthLowLimitstringstructuralRepresentationstructurestructureVariantstudy\
studyEffectivestudyEffectiveDescriptionstudyEffectiveGroupMeasurestudyEffectiveTimeFromStartstudyTypesubDetail\
subDetailSequencesubSitesubTypesubdetail-udisubdetailSequencesubjectsubject-typesubjectMedicalHistorysubjectResults\
subjectTypesubmittersubpotentReasonsubrogationsubscribersubscriberIdsubstancesubstance-reference\
substanceCodeableConceptsubstanceReferencesubstitutionsubsumptionsubtitlesubtypesubunitsuccessorsuffixsugarsummary\
supplementsupplementalDatasupplementssuppliedItemsuppliersupportsupported-profilesupportedMessagesupportedProfile\
supporting-infosupportingImmunizationsupportingInfosupportingInfoSequencesupportingInformation\
supportingPatientInformationsuspectEntitysymptomConditionEffectsynonymsynthesisTypesystemsystemTypetagtarget\
target-codetarget-datetarget-diseasetarget-speciestarget-systemtarget-uritargetCanonicaltargetDiseasetargetFormat\
targetIdtargetIdentifiertargetLocationtargetProfiletargetReferencetargetSpeciestargetUritargetVersionteamteardown\
telecomtemperaturetemperatureQualifiertemperatureRangetemplatetermtesttestScripttestertestscript\
testscript-capabilitytexttextEquivalenttextFiltertexturetherapeuticIndicationtherapyRelationshipTypethreePrimetime\
timeAspecttimeFromStarttimeOfDaytimestamptimingtissuetitletotopictotaltotalGrosstotalNettotalPriceComponent\
totalgrosstotalnettransformtranslationtranslationstriggertruthFNtruthTPtypetypeCollectedtypeModetypeReference\
typeTestedudiudi-carrierudi-diudiCarrierudiDeviceIdentifieruidundesirableEffectuniqueIdunitunitOfMeasure\
unitOfPresentationunitPriceunmappedunsignedIntupdateCreateupperLimituriurlusageusageContextuseuseContextusePeriod\
usedusedCodeusedReferenceuserSelecteduuidvaccine-codevaccine-typevaccineCodevalidCodedValueSetvalidTovalidateCode\
validateProfileIdvalidatedvalidationDatevalidationProcessvalidationStatusvalidationTypevalidatorvalidityPeriodvalue\
value-conceptvalue-datevalue-quantityvalue-stringvalueBooleanvalueCodevalueCodeableConceptvalueDateTimevaluePeriod\
valueQuantityvalueRangevalueReferencevalueSampledDatavalueSetvalueStringvaluedItemvaluesetvariablevariableType\
variantvariant-endvariant-startvariantPointervariantStatevariantTypevariantsetIdverificationverification-status\
verificationDateverificationStatusverifiedverifiedWithversionversionIdversionNeededversioningviewwarningOnly\
wasSubstitutedweightwhatwhenwhenHandedOverwhenPreparedwhenhandedoverwhenpreparedwhowidthwindow-endwindow-start\
windowEndwindowStartwithdrawalPeriodworkflowxhtmlxpathxpathUsage";

/// Where each name ends in `TEXT`.
#[rustfmt::skip]
pub(in crate::fhir) static ENDS: [u16; 1881] = [
    7, 25, 32, 44, 47, 65, 75, 86, 105, 115, 125, 140, 145, 151, 177, 190, 196, 215, 223, 231, 243, 253, 273, 278,
    291, 309, 319, 334, 340, 353, 373, 394, 405, 415, 424, 431, 444, 456, 464, 475, 480, 488, 514, 541, 556, 569,
    575, 591, 603, 616, 634, 650, 658, 674, 691, 705, 711, 719, 742, 749, 766, 775, 783, 800, 818, 831, 846, 854,
    870, 885, 905, 915, 924, 943, 947, 951, 966, 971, 987, 1004, 1013, 1023, 1035, 1047, 1069, 1095, 1114, 1127,
    1134, 1141, 1148, 1152, 1160, 1175, 1182, 1195, 1200, 1210, 1234, 1252, 1271, 1288, 1307, 1323, 1352, 1384, 1410,
    1436, 1463, 1491, 1515, 1545, 1578, 1595, 1608, 1612, 1629, 1634, 1646, 1655, 1669, 1680, 1701, 1720, 1736, 1748,
    1771, 1790, 1800, 1807, 1820, 1841, 1847, 1853, 1867, 1877, 1889, 1905, 1914, 1932, 1948, 1958, 1966, 1979, 2000,
    2005, 2010, 2019, 2034, 2047, 2059, 2077, 2102, 2115, 2130, 2138, 2150, 2164, 2185, 2196, 2204, 2219, 2233, 2242,
    2246, 2254, 2272, 2291, 2303, 2315, 2324, 2339, 2359, 2375, 2391, 2420, 2443, 2465, 2479, 2492, 2496, 2519, 2529,
    2539, 2545, 2562, 2574, 2582, 2600, 2618, 2626, 2633, 2637, 2640, 2652, 2657, 2665, 2671, 2680, 2687, 2691, 2696,
    2701, 2710, 2723, 2737, 2753, 2765, 2782, 2797, 2811, 2826, 2847, 2852, 2860, 2866, 2875, 2894, 2902, 2909, 2927,
    2944, 2950, 2958, 2964, 2972, 2985, 2998, 3016, 3021, 3028, 3034, 3043, 3052, 3055, 3062, 3086, 3110, 3130, 3151,
    3180, 3188, 3207, 3219, 3226, 3238, 3253, 3271, 3284, 3295, 3304, 3316, 3326, 3342, 3357, 3371, 3392, 3406, 3430,
    3455, 3466, 3478, 3481, 3486, 3496, 3506, 3516, 3527, 3532, 3538, 3557, 3575, 3582, 3597, 3602, 3611, 3628, 3639,
    3644, 3652, 3658, 3677, 3687, 3697, 3703, 3709, 3721, 3735, 3748, 3759, 3766, 3775, 3787, 3798, 3814, 3833, 3848,
    3860, 3879, 3893, 3896, 3904, 3910, 3918, 3928, 3936, 3941, 3952, 3960, 3980, 3989, 4005, 4015, 4026, 4046, 4054,
    4067, 4073, 4090, 4100, 4108, 4119, 4129, 4139, 4167, 4176, 4197, 4220, 4236, 4259, 4269, 4279, 4301, 4317, 4335,
    4348, 4371, 4375, 4384, 4388, 4397, 4409, 4423, 4445, 4460, 4468, 4475, 4482, 4487, 4492, 4507, 4518, 4525, 4539,
    4552, 4566, 4573, 4582, 4591, 4600, 4608, 4616, 4623, 4627, 4633, 4638, 4653, 4672, 4686, 4707, 4730, 4741, 4755,
    4769, 4786, 4801, 4810, 4819, 4822, 4834, 4844, 4852, 4871, 4883, 4892, 4903, 4911, 4927, 4938, 4948, 4961, 4969,
    4978, 4987, 5008, 5013, 5020, 5034, 5054, 5069, 5079, 5084, 5094, 5123, 5151, 5156, 5164, 5168, 5173, 5186, 5191,
    5201, 5212, 5224, 5238, 5257, 5272, 5303, 5317, 5330, 5341, 5348, 5352, 5370, 5385, 5404, 5421, 5440, 5450, 5463,
    5473, 5483, 5489, 5498, 5515, 5530, 5540, 5549, 5554, 5584, 5594, 5618, 5643, 5667, 5686, 5706, 5713, 5726, 5745,
    5765, 5776, 5786, 5811, 5828, 5847, 5858, 5870, 5888, 5897, 5911, 5939, 5968, 5996, 6019, 6043, 6050, 6061, 6077,
    6088, 6101, 6114, 6135, 6142, 6152, 6166, 6175, 6192, 6209, 6224, 6241, 6256, 6280, 6295, 6309, 6321, 6328, 6337,
    6347, 6354, 6363, 6380, 6389, 6401, 6421, 6429, 6436, 6448, 6460, 6477, 6494, 6510, 6521, 6532, 6539, 6555, 6567,
    6588, 6606, 6622, 6635, 6646, 6654, 6680, 6696, 6714, 6725, 6732, 6748, 6764, 6785, 6794, 6798, 6802, 6812, 6829,
    6834, 6842, 6849, 6864, 6879, 6898, 6906, 6919, 6931, 6938, 6953, 6966, 6974, 6982, 7003, 7014, 7028, 7036, 7045,
    7058, 7066, 7077, 7081, 7099, 7115, 7136, 7146, 7161, 7170, 7174, 7186, 7199, 7209, 7233, 7242, 7250, 7261, 7269,
    7280, 7289, 7299, 7309, 7319, 7327, 7342, 7358, 7365, 7381, 7389, 7401, 7413, 7430, 7440, 7459, 7472, 7478, 7500,
    7507, 7518, 7527, 7538, 7554, 7563, 7573, 7582, 7591, 7596, 7606, 7618, 7629, 7643, 7654, 7665, 7676, 7691, 7697,
    7707, 7721, 7728, 7736, 7749, 7765, 7771, 7782, 7798, 7808, 7817, 7834, 7845, 7853, 7864, 7878, 7890, 7900, 7909,
    7929, 7939, 7952, 7959, 7972, 7995, 8011, 8026, 8033, 8044, 8062, 8070, 8086, 8089, 8101, 8110, 8118, 8130, 8143,
    8149, 8155, 8172, 8176, 8187, 8198, 8206, 8216, 8228, 8238, 8254, 8262, 8280, 8283, 8290, 8298, 8309, 8321, 8327,
    8339, 8345, 8354, 8360, 8374, 8383, 8397, 8410, 8427, 8443, 8458, 8471, 8486, 8493, 8504, 8509, 8521, 8532, 8546,
    8556, 8572, 8581, 8584, 8592, 8600, 8610, 8624, 8636, 8647, 8654, 8660, 8671, 8682, 8693, 8698, 8707, 8722, 8735,
    8746, 8751, 8763, 8767, 8785, 8802, 8819, 8824, 8834, 8845, 8857, 8865, 8873, 8888, 8893, 8900, 8909, 8916, 8935,
    8943, 8958, 8967, 8989, 9001, 9016, 9030, 9044, 9050, 9058, 9077, 9095, 9108, 9121, 9136, 9147, 9157, 9168, 9175,
    9184, 9200, 9212, 9215, 9223, 9229, 9237, 9249, 9255, 9270, 9284, 9297, 9303, 9316, 9327, 9338, 9343, 9349, 9358,
    9365, 9377, 9388, 9397, 9406, 9411, 9418, 9422, 9442, 9447, 9458, 9463, 9471, 9493, 9501, 9504, 9518, 9532, 9536,
    9544, 9550, 9557, 9565, 9584, 9590, 9599, 9611, 9632, 9640, 9644, 9651, 9659, 9672, 9684, 9705, 9711, 9715, 9726,
    9744, 9764, 9775, 9794, 9804, 9815, 9820, 9840, 9848, 9862, 9867, 9873, 9877, 9883, 9888, 9893, 9909, 9924, 9936,
    9945, 9953, 9969, 9979, 9983, 9992, 10000, 10005, 10013, 10027, 10035, 10045, 10054, 10058, 10064, 10075, 10092,
    10098, 10110, 10126, 10130, 10139, 10143, 10149, 10164, 10180, 10185, 10191, 10201, 10203, 10210, 10220, 10238,
    10254, 10264, 10272, 10291, 10298, 10313, 10324, 10335, 10340, 10352, 10370, 10388, 10405, 10414, 10428, 10447,
    10457, 10470, 10476, 10483, 10490, 10509, 10521, 10529, 10538, 10545, 10562, 10572, 10577, 10587, 10597, 10604,
    10615, 10634, 10651, 10661, 10676, 10683, 10694, 10709, 10718, 10733, 10738, 10743, 10756, 10768, 10776, 10783,
    10795, 10817, 10833, 10854, 10869, 10880, 10889, 10896, 10903, 10921, 10939, 10961, 10975, 10988, 10999, 11005,
    11016, 11027, 11049, 11063, 11074, 11098, 11115, 11128, 11136, 11145, 11155, 11164, 11174, 11190, 11201, 11210,
    11217, 11222, 11228, 11234, 11238, 11246, 11265, 11278, 11290, 11302, 11329, 11332, 11339, 11343, 11351, 11358,
    11363, 11371, 11383, 11392, 11404, 11418, 11431, 11445, 11456, 11466, 11474, 11479, 11489, 11499, 11518, 11532,
    11538, 11555, 11567, 11572, 11579, 11586, 11595, 11611, 11626, 11631, 11635, 11643, 11647, 11653, 11660, 11668,
    11678, 11686, 11701, 11713, 11730, 11747, 11757, 11767, 11776, 11786, 11795, 11798, 11806, 11816, 11826, 11841,
    11855, 11875, 11883, 11896, 11907, 11919, 11934, 11954, 11970, 11982, 12012, 12015, 12022, 12035, 12043, 12065,
    12080, 12090, 12106, 12114, 12126, 12144, 12164, 12167, 12178, 12202, 12215, 12233, 12249, 12274, 12285, 12294,
    12307, 12325, 12333, 12351, 12358, 12376, 12383, 12395, 12412, 12428, 12433, 12443, 12468, 12487, 12509, 12515,
    12521, 12528, 12537, 12541, 12549, 12555, 12558, 12566, 12575, 12588, 12603, 12613, 12621, 12625, 12630, 12641,
    12653, 12661, 12669, 12686, 12692, 12698, 12714, 12738, 12753, 12776, 12799, 12816, 12825, 12839, 12849, 12859,
    12870, 12883, 12893, 12915, 12926, 12947, 12970, 12974, 12987, 12995, 13010, 13014, 13018, 13026, 13029, 13036,
    13049, 13062, 13081, 13093, 13097, 13107, 13112, 13123, 13128, 13133, 13138, 13144, 13161, 13181, 13203, 13217,
    13232, 13248, 13261, 13270, 13284, 13292, 13301, 13323, 13351, 13365, 13376, 13384, 13392, 13408, 13418, 13436,
    13452, 13468, 13484, 13489, 13497, 13503, 13506, 13525, 13536, 13546, 13552, 13569, 13574, 13583, 13593, 13603,
    13611, 13624, 13635, 13645, 13656, 13658, 13669, 13678, 13691, 13709, 13726, 13734, 13749, 13757, 13765, 13770,
    13781, 13793, 13802, 13809, 13818, 13825, 13833, 13848, 13858, 13870, 13882, 13894, 13905, 13932, 13938, 13958,
    13963, 13983, 13995, 14002, 14013, 14035, 14046, 14062, 14067, 14081, 14087, 14101, 14117, 14130, 14140, 14148,
    14162, 14170, 14177, 14182, 14193, 14202, 14213, 14237, 14246, 14268, 14272, 14278, 14283, 14292, 14305, 14315,
    14321, 14327, 14339, 14356, 14375, 14379, 14386, 14397, 14412, 14424, 14434, 14440, 14451, 14467, 14483, 14503,
    14534, 14566, 14599, 14616, 14631, 14657, 14682, 14688, 14693, 14704, 14722, 14742, 14746, 14753, 14775, 14793,
    14811, 14818, 14823, 14828, 14837, 14844, 14856, 14871, 14882, 14889, 14901, 14915, 14929, 14942, 14953, 14970,
    14983, 14996, 15008, 15013, 15022, 15034, 15051, 15066, 15080, 15095, 15104, 15119, 15137, 15151, 15166, 15179,
    15192, 15215, 15237, 15243, 15252, 15262, 15272, 15289, 15310, 15315, 15320, 15328, 15333, 15339, 15362, 15374,
    15396, 15400, 15415, 15422, 15428, 15434, 15447, 15459, 15469, 15476, 15486, 15494, 15505, 15519, 15529, 15534,
    15549, 15561, 15583, 15596, 15606, 15622, 15635, 15645, 15661, 15670, 15687, 15698, 15708, 15718, 15727, 15746,
    15752, 15763, 15785, 15795, 15807, 15819, 15835, 15855, 15868, 15876, 15890, 15904, 15917, 15937, 15955, 15968,
    15989, 16010, 16023, 16040, 16052, 16060, 16065, 16076, 16094, 16110, 16117, 16126, 16139, 16152, 16170, 16187,
    16194, 16205, 16215, 16222, 16237, 16258, 16269, 16280, 16296, 16314, 16325, 16332, 16356, 16374, 16381, 16392,
    16410, 16418, 16426, 16439, 16446, 16454, 16469, 16479, 16487, 16496, 16520, 16534, 16549, 16566, 16575, 16582,
    16596, 16608, 16625, 16638, 16655, 16665, 16680, 16687, 16706, 16714, 16719, 16726, 16733, 16741, 16754, 16758,
    16763, 16767, 16771, 16786, 16792, 16801, 16810, 16821, 16829, 16842, 16854, 16865, 16873, 16882, 16888, 16899,
    16911, 16927, 16943, 16953, 16965, 16980, 16993, 16999, 17007, 17019, 17027, 17041, 17050, 17064, 17072, 17085,
    17097, 17107, 17115, 17118, 17127, 17142, 17159, 17179, 17194, 17208, 17220, 17234, 17253, 17271, 17288, 17302,
    17316, 17330, 17363, 17395, 17403, 17417, 17432, 17440, 17449, 17459, 17478, 17496, 17503, 17513, 17524, 17537,
    17552, 17564, 17590, 17603, 17612, 17621, 17629, 17641, 17653, 17665, 17677, 17688, 17703, 17716, 17725, 17731,
    17741, 17761, 17768, 17779, 17787, 17793, 17805, 17813, 17821, 17831, 17845, 17852, 17865, 17874, 17891, 17904,
    17919, 17929, 17944, 17953, 17968, 17991, 18013, 18022, 18030, 18046, 18057, 18069, 18080, 18091, 18099, 18115,
    18125, 18137, 18145, 18156, 18168, 18178, 18194, 18205, 18221, 18237, 18241, 18252, 18263, 18269, 18287, 18305,
    18324, 18341, 18359, 18372, 18379, 18387, 18391, 18405, 18417, 18438, 18441, 18445, 18450, 18471, 18492, 18496,
    18501, 18507, 18517, 18522, 18530, 18539, 18554, 18569, 18584, 18589, 18594, 18601, 18607, 18620, 18631, 18647,
    18657, 18664, 18672, 18686, 18702, 18717, 18730, 18749, 18766, 18772, 18783, 18787, 18795, 18813, 18825, 18837,
    18843, 18854, 18865, 18872, 18888, 18904, 18916, 18931, 18944, 18959, 18979, 18990, 18998, 19005, 19010, 19018,
    19021, 19026, 19042, 19047, 19057, 19066, 19075, 19089, 19095, 19099, 19108, 19112, 19131, 19140, 19147, 19151,
    19159, 19167, 19175, 19179, 19185, 19196, 19207, 19223, 19236, 19246, 19262, 19277, 19285, 19310, 19324, 19343,
    19362, 19380, 19397, 19412, 19427, 19436, 19449, 19468, 19486, 19501, 19519, 19534, 19562, 19576, 19585, 19592,
    19604, 19622, 19630, 19646, 19665, 19671, 19678, 19683, 19699, 19704, 19714, 19723, 19730, 19746, 19751, 19757,
    19770, 19780, 19793, 19805, 19809, 19824, 19831, 19837, 19847, 19854, 19862, 19878, 19884, 19908, 19917, 19933,
    19938, 19952, 19977, 20003, 20030, 20039, 20048, 20065, 20072, 20079, 20092, 20109, 20116, 20128, 20149, 20163,
    20174, 20183, 20198, 20209, 20219, 20231, 20240, 20259, 20283, 20301, 20313, 20324, 20332, 20339, 20346, 20355,
    20361, 20366, 20373, 20383, 20399, 20410, 20422, 20430, 20437, 20454, 20470, 20486, 20501, 20523, 20537, 20559,
    20580, 20608, 20621, 20643, 20650, 20663, 20669, 20679, 20682, 20688, 20699, 20710, 20724, 20738, 20751, 20761,
    20776, 20789, 20801, 20809, 20825, 20839, 20852, 20867, 20880, 20889, 20902, 20906, 20914, 20921, 20932, 20952,
    20968, 20976, 20980, 20984, 20994, 21000, 21010, 21031, 21035, 21049, 21059, 21066, 21087, 21110, 21120, 21124,
    21134, 21147, 21156, 21165, 21171, 21177, 21182, 21184, 21189, 21194, 21204, 21212, 21231, 21241, 21249, 21258,
    21269, 21281, 21288, 21295, 21302, 21306, 21319, 21327, 21340, 21350, 21353, 21364, 21370, 21380, 21399, 21402,
    21419, 21427, 21431, 21444, 21462, 21471, 21479, 21490, 21502, 21512, 21515, 21518, 21523, 21535, 21538, 21548,
    21557, 21561, 21569, 21582, 21594, 21598, 21610, 21622, 21633, 21651, 21658, 21670, 21687, 21696, 21710, 21727,
    21743, 21757, 21766, 21780, 21785, 21798, 21808, 21822, 21834, 21846, 21855, 21875, 21888, 21899, 21912, 21922,
    21936, 21952, 21960, 21971, 21981, 21989, 21997, 22009, 22016, 22027, 22040, 22054, 22066, 22077, 22089, 22101,
    22120, 22136, 22154, 22162, 22174, 22181, 22190, 22203, 22213, 22217, 22228, 22242, 22248, 22252, 22256, 22270,
    22282, 22296, 22308, 22311, 22316, 22326, 22338, 22347, 22358, 22374, 22382, 22387, 22392, 22402,
];
