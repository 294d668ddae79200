/**
 * security: who comes in, and who may do what.
 *
 * Hides TLS, the SASL mechanisms and their credentials, delegation tokens, the authorizer with its cache and audit log, and where all of
 * that is configured. The rest of the broker sees a {@link Session} per connection and asks it what its principal may do.
 */
import type { ClusterSecurity } from '../coordinator.ts'
import type { BrokerConfig } from './config.ts'
import type { Logger } from './logger.ts'
import { Authorizer } from './security/authorizer.ts'
import { anonymous, Session } from './security/session.ts'

export { aclCreation, aclFilter } from './security/acl-requests.ts'
export type { Grants } from './security/authorizer.ts'
export { Session } from './security/session.ts'

export interface SecurityOptions {
  config: BrokerConfig
  metadata: ClusterSecurity
  logger: Logger
}

export class Security {
  /** null: everybody may do everything. */
  readonly authorizer: Authorizer | null

  constructor({ config, metadata, logger }: SecurityOptions) {
    this.authorizer =
      config.get('authorizer.class.name') === ''
        ? null
        : new Authorizer({
            acls: metadata,
            superUsers: new Set(
              config
                .get('super.users')
                .split(';')
                .map(user => user.trim()),
            ),
            allowEveryoneIfNoAclFound: config.get('allow.everyone.if.no.acl.found'),
            logger,
          })
  }

  /** For a new connection. */
  open(_listener: string, remoteAddress: string): Session {
    return new Session(anonymous, remoteAddress, this.authorizer)
  }
}
