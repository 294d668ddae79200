/** What stands before every view: a login, where the broker requires one. The URL stays, so a person comes to the view that was asked for. */
import { useQuery } from '@tanstack/react-query'
import { lazy, type ReactNode, Suspense } from 'react'
import { asked } from '../api.ts'

const Login = lazy(async () => ({ default: (await import('../views/login.tsx')).Login }))

export function Gate({ children }: { children: ReactNode }) {
  const login = useQuery({ ...asked('GET /login', {}), staleTime: Number.POSITIVE_INFINITY, retry: false })
  if (login.isPending) return <div className="boot">Millrace</div>
  const { data } = login
  // Where the service does not answer, the views say so.
  if (data === undefined || !data.needed || data.done) return children
  return (
    <Suspense fallback={null}>
      <Login password={data.password} provider={data.provider} />
    </Suspense>
  )
}
