import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** An application that speaks MCP: one client, and a new transport for each connection. */
export class Application {
  constructor(url, provider) {
    this.url = url;
    this.provider = provider;
  }

  async connect() {
    this.client = new Client({ name: "interop", version: "1" });
    this.transport = new StreamableHTTPClientTransport(new URL(this.url), { authProvider: this.provider });
    await this.client.connect(this.transport);
  }

  /** What a tool says. */
  async call(name, args = {}) {
    const { content } = await this.client.callTool({ name, arguments: args });
    return content[0].text;
  }
}
