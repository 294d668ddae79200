/** Settings of services for tests: any free port, no login. */
import type { ServicesSettings } from '../../src/services.ts'

export function settingsFor(bootstrap: string, changes: Partial<ServicesSettings> = {}): ServicesSettings {
  return {
    services: ['registry'],
    bootstrap,
    properties: {},
    ownProperties: {},
    host: '127.0.0.1',
    ports: { console: 0, registry: 0, rest: 0 },
    allowedHosts: [],
    corsOrigins: [],
    mostBodyBytes: 1_048_576,
    registry: { url: null, userInfo: null },
    rest: { mostInFlightBytes: 67_108_864, instanceTimeoutMs: 300_000, mostInstances: 100 },
    ...changes,
  }
}
