/*
 * The paths under which an earlier system served Databricks alone: two of them name the model
 * (whatever the body says, if it says anything), all go to that backend whatever the rules say.
 */
#include "api/api.h"

#define BACKEND "AZURE_DATABRICKS"

static int serve(struct api_call *c, const char *model, api_handler *handle)
{
	c->provider = api_provider(c, BACKEND);
	c->model = model;
	return handle(c);
}

int api_databricks_messages(struct api_call *c)
{
	return serve(c, NULL, api_messages);
}

int api_databricks_stream(struct api_call *c)
{
	return serve(c, NULL, api_messages_stream);
}

int api_databricks_sonnet_4(struct api_call *c)
{
	return serve(c, "databricks-claude-sonnet-4", api_messages);
}

int api_databricks_sonnet_3_7(struct api_call *c)
{
	return serve(c, "databricks-claude-3-7-sonnet", api_messages);
}

int api_databricks_health(struct api_call *c)
{
	return api_health_of(c, BACKEND);
}
