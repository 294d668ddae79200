/** Who is logged in, and the way out. */
import { call } from '../api.ts'
import { Button } from '../ui/button.tsx'
import css from './shell.module.css'

export function User({ principal }: { principal: string }) {
  const logOut = async () => {
    await call('POST /logout', { body: {} })
    // Nothing that was shown stays in this page.
    location.assign('/')
  }
  return (
    <>
      <span className={css['user']}>{principal.replace(/^User:/, '')}</span>
      <Button small kind="quiet" onClick={() => void logOut()}>
        Log out
      </Button>
    </>
  )
}
