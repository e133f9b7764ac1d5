//! OAuth 2.1 for MCP servers: the authorization server that one command starts.
