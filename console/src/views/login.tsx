/** Log in: with the name and password of a Kafka user, or with a provider. */
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../api.ts'
import { Button, Field, Input } from '../ui/button.tsx'
import css from './login.module.css'

/** As the way back from the provider says it. */
const messages: Record<string, string> = {
  refused: 'This account may not log in here: the provider or the broker has refused it.',
  failed: 'The login with the provider has failed. The log of the services says why.',
}

export function Login({ password: byPassword, provider }: { password: boolean; provider: boolean }) {
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const [problem, setProblem] = useState(messages[new URLSearchParams(location.search).get('login') ?? ''] ?? null)
  const [waiting, setWaiting] = useState(false)
  const queries = useQueryClient()
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setWaiting(true)
    setProblem(null)
    try {
      await call('POST /login', { body: { username, password } })
      // Nothing that somebody else was shown stays.
      await queries.resetQueries()
    } catch (error) {
      setProblem((error as Error).message)
      setWaiting(false)
    }
  }
  const back = `${location.pathname}${location.pathname === '/' ? '' : location.search}`
  return (
    <main className={css['page']}>
      <div className={css['box']}>
        <h1 className={css['title']}>Log in to Millrace</h1>
        {problem !== null && (
          <p className={css['problem']} role="alert">
            {problem}
          </p>
        )}
        {provider && (
          <a className={css['provider']} href={`/api/oidc/begin?to=${encodeURIComponent(back)}`}>
            Log in with single sign-on
          </a>
        )}
        {byPassword && (
          <form className={css['form']} onSubmit={submit}>
            <Field label="User">
              {id => (
                <Input
                  id={id}
                  value={username}
                  onChange={event => setUsername(event.target.value)}
                  autoComplete="username"
                  required
                  maxLength={1_000}
                  autoFocus
                />
              )}
            </Field>
            <Field label="Password" hint="Of your Kafka user. What you may do here is what its ACLs allow.">
              {id => (
                <Input
                  id={id}
                  type="password"
                  value={password}
                  onChange={event => setPassword(event.target.value)}
                  autoComplete="current-password"
                  required
                  maxLength={10_000}
                />
              )}
            </Field>
            <Button kind="main" type="submit" disabled={waiting}>
              {waiting ? 'Logging in…' : 'Log in'}
            </Button>
          </form>
        )}
      </div>
    </main>
  )
}
