/** What a view shows when it has no data: not yet, none at all, not allowed, or an error. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { ApiError, asked } from '../api.ts'
import { Button } from './button.tsx'
import { Page } from './page.tsx'
import css from './states.module.css'

export function Loading({ rows = 8 }: { rows?: number }) {
  return (
    <div className={css['loading']} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <div key={at} className={css['bar']} />
      ))}
    </div>
  )
}

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={css['state']}>
      <h2>{title}</h2>
      {children}
      {action}
    </div>
  )
}

/** A command to copy: the next step for who prefers a terminal. */
export function Command({ text }: { text: string }) {
  return (
    <div className={css['command']}>
      <code>{text}</code>
      <Button small onClick={() => void navigator.clipboard.writeText(text)}>
        Copy
      </Button>
    </div>
  )
}

interface FailedProps {
  error: Error
  retry?: () => void
  /** The right without which it is refused: `READ on the topic orders`. */
  needs?: string
}

export function Failed({ error, retry, needs }: FailedProps) {
  const session = useQuery(asked('GET /session', {}))
  const code = error instanceof ApiError ? error.code : null
  const denied = error instanceof ApiError && error.status === 403
  const refused = error instanceof ApiError && error.status === 400
  return (
    <div className={css['state']} role="alert">
      <h2>{denied ? 'You may not see this' : refused ? 'This cannot be done' : 'This could not be loaded'}</h2>
      <p>{error.message}</p>
      {code !== null && <code className={css['code']}>{code}</code>}
      {denied && needs !== undefined && (
        <p>
          {session.data?.principal ?? 'You'} {session.data === undefined ? 'need' : 'needs'} {needs}.
        </p>
      )}
      {denied && <p className={css['hint']}>Ask an administrator for an ACL that allows it, or log in as somebody else.</p>}
      {retry !== undefined && !denied && !refused && <Button onClick={retry}>Try again</Button>}
    </div>
  )
}

/** What was tried in a view was refused; the view stays. */
export function Refused({ error }: { error: Error }) {
  return (
    <p className={css['refused']} role="alert">
      {error.message}
    </p>
  )
}

/** Of everything that is about ACLs. */
export function NoAuthorizer() {
  return (
    <Empty title="Everybody may do everything">
      <p>The brokers have no authorizer, so that there are no ACLs. One is switched on with two settings of each broker:</p>
      <Command text="authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer" />
      <Command text="super.users=User:admin" />
    </Empty>
  )
}

/** Some of it could not be learnt. */
export function Partial({ missing }: { missing: readonly string[] }) {
  if (missing.length === 0) return null
  return (
    <div className={css['partial']} role="status">
      <strong>Not all is known.</strong> {missing.join(' · ')}
    </div>
  )
}

export function NoSuchPlace() {
  return (
    <Page title="There is no such page">
      <Empty title="Nothing is here">
        <p>
          <Link to="/">Go to the overview</Link>
        </p>
      </Empty>
    </Page>
  )
}
