/** Settings of services for tests: any free port, no login unless `properties` say so. */
import type { ServicesSettings } from '../../src/services.ts'

export function settingsFor(bootstrap: string, changes: Partial<ServicesSettings> = {}): ServicesSettings {
  return {
    services: ['registry'],
    bootstrap,
    properties: {},
    ownProperties: {},
    login: { passwordMechanisms: ['PLAIN'], tokens: false, subjectClaim: 'sub' },
    host: '127.0.0.1',
    ports: { connect: 0, console: 0, registry: 0, rest: 0, triggers: 0 },
    allowedHosts: [],
    corsOrigins: [],
    mostBodyBytes: 1_048_576,
    advertisedRegistry: null,
    registry: { url: null, userInfo: null },
    mostConnections: 4_096,
    requestTimeoutMs: 60_000,
    trustedProxies: [],
    tls: null,
    console: { idleMs: 1_800_000, mostMs: 43_200_000, oidc: null },
    rest: { mostInFlightBytes: 67_108_864, instanceTimeoutMs: 300_000, mostInstances: 100, streamIdleMs: 300_000, commitAfterMs: 5_000 },
    triggers: { mostRunners: 8 },
    connect: { properties: {}, advertisedUrl: null, url: null, userInfo: null },
    metricsUrl: null,
    ...changes,
  }
}
