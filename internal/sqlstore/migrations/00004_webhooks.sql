-- URLs that are told of events, or asked before them. Lists are JSON.
CREATE TABLE webhooks (
	project        {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id             {{TEXT}} NOT NULL,
	kind           {{TEXT}} NOT NULL,
	url            {{TEXT}} NOT NULL,
	events         {{TEXT}} NOT NULL,
	enabled        {{INT}} NOT NULL,
	allow_hosts    {{TEXT}} NOT NULL,
	deadline       {{INT}} NOT NULL,
	on_failure     {{TEXT}} NOT NULL,
	secret_sealed  {{BLOB}},
	previous_until {{INT}} NOT NULL,
	created_at     {{INT}} NOT NULL,
	updated_at     {{INT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE UNIQUE INDEX webhooks_blocking ON webhooks (project) WHERE kind = 'blocking';

-- The outbox of events. due_at is when a worker may take a delivery, NULL for never.
CREATE TABLE webhook_deliveries (
	project         {{TEXT}} NOT NULL,
	id              {{TEXT}} NOT NULL,
	webhook         {{TEXT}} NOT NULL,
	event           {{TEXT}} NOT NULL,
	user_id         {{TEXT}} NOT NULL,
	state           {{TEXT}} NOT NULL,
	payload         {{TEXT}} NOT NULL,
	attempts        {{INT}} NOT NULL,
	created_at      {{INT}} NOT NULL,
	next_attempt_at {{INT}} NOT NULL,
	lease_until     {{INT}} NOT NULL,
	lease_token     {{TEXT}} NOT NULL,
	finished_at     {{INT}} NOT NULL,
	last_status     {{INT}} NOT NULL,
	last_error      {{TEXT}} NOT NULL,
	due_at          {{INT}},
	PRIMARY KEY (project, id),
	FOREIGN KEY (project, webhook) REFERENCES webhooks (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (project, webhook, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (project, webhook, id);
CREATE INDEX webhook_deliveries_by_user ON webhook_deliveries (project, user_id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (state) WHERE state <> 'delivered';
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);
