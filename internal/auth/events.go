package auth

// Events lists the audited events, for those who search the audit log.
func Events() []Event {
	return []Event{
		EventSignUp, EventSignIn, EventRefresh, EventSessionRevoked, EventTokenReuse, EventInvite, EventInviteAccepted, EventResetRequested, EventPasswordReset,
		EventPasswordChanged, EventVerifyRequested, EventEmailVerified, EventEmailChangeAsked, EventEmailChanged, EventEmailTakenBack, EventTakenBack,
		EventUserRead, EventUserCreated, EventUserUpdated, EventUserDisabled, EventUserEnabled, EventUserDeleted, EventUsersImported, EventUsersExported,
		EventImportReceived, EventImportStarted, EventImportStopped, EventRoleCreated, EventRoleDeleted, EventProjectCreated, EventProjectDeleted, EventProjectExported,
		EventProjectImported, EventSettingsChanged, EventAdminTokenRotated, EventAdminDenied, EventProviderChanged, EventProviderDeleted, EventProviderTrialAsk,
		EventProviderTried, EventIdentityLinked, EventIdentityUnlinked, EventKeyRotated, EventKeyWithdrawn, EventMasterKeyStaged, EventMasterKeyRotated,
		EventMailRead, EventMailRequeued, EventMailDeleted, EventMailChecked, EventMailTested, EventTemplateChanged, EventOperatorCreated, EventOperatorDeleted,
		EventOperatorSetUp, EventSetupLink, EventDecisionRead, EventWebhookChanged, EventWebhookSecret, EventWebhookDeleted, EventWebhookTested, EventWebhookGone,
		EventWebhookRequeued, EventWebhookOverflow, EventHookFailed, EventSignInCodeGranted, EventSignInCodeExchanged, EventSignInCodeReused,
		EventSecondFactorAsked, EventSecondFactorEnrolled, EventSecondFactorRemoved, EventRecoveryCodesRenewed, EventSecondFactorsReset,
	}
}
