/** `/subjects`. */
import { Type } from 'typebox'
import type { HttpApp } from '../../http.ts'
import type { Subjects } from '../subjects.ts'

export function subjectRoutes(app: HttpApp, subjects: Subjects): void {
  app.get('/subjects', { schema: { response: { 200: Type.Array(Type.String()) } } }, () => subjects.names)
}
