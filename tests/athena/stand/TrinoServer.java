import com.google.common.collect.MapMaker;
import com.google.inject.Module;
import com.google.inject.matcher.Matchers;
import io.trino.server.PluginClassLoader;
import io.trino.server.PluginManager.PluginsProvider;
import io.trino.server.PluginManager.PluginsProvider.ClassLoaderFactory;
import io.trino.server.Server;
import io.trino.sql.planner.PlanFragment;
import io.trino.sql.planner.PlanFragmenter;
import io.trino.sql.planner.PlanOptimizersFactory;
import io.trino.sql.planner.SubPlan;
import io.trino.sql.planner.SymbolAllocator;
import io.trino.sql.planner.iterative.IterativeOptimizer;
import io.trino.sql.planner.iterative.Rule;
import io.trino.sql.planner.iterative.rule.ExpressionRewriteRuleSet;
import io.trino.sql.planner.iterative.rule.ExpressionRewriteRuleSet.ExpressionRewriter;
import io.trino.sql.planner.optimizations.AddExchanges;
import io.trino.sql.planner.optimizations.PlanOptimizer;
import io.trino.sql.planner.optimizations.StatsRecordingPlanOptimizer;
import io.trino.sql.planner.plan.PlanNode;
import io.trino.sql.planner.plan.TableFinishNode;
import io.trino.sql.planner.plan.TableScanNode;
import io.trino.sql.planner.plan.ValuesNode;
import io.trino.sql.tree.Expression;
import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import static io.trino.sql.planner.SystemPartitioningHandle.SINGLE_DISTRIBUTION;
import static io.trino.sql.planner.SystemPartitioningHandle.SOURCE_DISTRIBUTION;
import static io.trino.sql.planner.optimizations.PlanNodeSearcher.searchFrom;

/**
 * A Trino of one node.
 *
 * <p>Its plans are not cut into stages for many: rows that stay where they are need not be handed on
 * through HTTP.
 */
public class TrinoServer
        extends Server
{
    /** By name. Servers of one process share what connectors make Java load and compile. */
    private static final Map<String, PluginClassLoader> PLUGINS = new ConcurrentHashMap<>();

    @Override
    protected Iterable<? extends Module> getAdditionalModules()
    {
        return List.of(binder -> {
            binder.bindInterceptor(
                    Matchers.subclassesOf(PlanOptimizersFactory.class),
                    Matchers.returns(Matchers.subclassesOf(List.class)),
                    new OneNode());
            binder.bindInterceptor(
                    Matchers.only(PlanFragmenter.class),
                    Matchers.returns(Matchers.only(SubPlan.class)),
                    TrinoServer::inOneStage);
            binder.bindInterceptor(
                    Matchers.subclassesOf(PluginsProvider.class),
                    Matchers.any(),
                    TrinoServer::loadPluginsOnce);
        });
    }

    private static Object loadPluginsOnce(MethodInvocation invocation)
            throws Throwable
    {
        Object[] arguments = invocation.getArguments();
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i] instanceof ClassLoaderFactory) {
                ClassLoaderFactory factory = (ClassLoaderFactory) arguments[i];
                ClassLoaderFactory once = (name, urls) ->
                        PLUGINS.computeIfAbsent(name, missing -> factory.create(missing, urls));
                arguments[i] = once;
            }
        }
        return invocation.proceed();
    }

    /** Writing ends where it happens, not in a stage for coordinators: the one node is one. */
    private static SubPlan inOneStage(MethodInvocation invocation)
            throws Throwable
    {
        SubPlan plan = (SubPlan) invocation.proceed();
        PlanFragment all = plan.getFragment();
        boolean writes = searchFrom(all.getRoot()).where(TableFinishNode.class::isInstance).matches();
        if (!writes || !plan.getChildren().isEmpty()) {
            return plan;
        }
        return new SubPlan(
                new PlanFragment(
                        all.getId(),
                        all.getRoot(),
                        all.getSymbols(),
                        all.getPartitionedSources().isEmpty() ? SINGLE_DISTRIBUTION : SOURCE_DISTRIBUTION,
                        all.getPartitionCount(),
                        all.getPartitionedSources(),
                        all.getOutputPartitioningScheme(),
                        all.getStatsAndCosts(),
                        all.getActiveCatalogs(),
                        all.getLanguageFunctions(),
                        all.getJsonRepresentation()),
                List.of());
    }

    /**
     * Answers with the optimizers of plans, but for the one that shares work out to nodes, and with what
     * they rewrite expressions by wrapped (see Once).
     */
    private static class OneNode
            implements MethodInterceptor
    {
        private volatile List<PlanOptimizer> optimizers;

        @Override
        public Object invoke(MethodInvocation invocation)
                throws Throwable
        {
            if (optimizers == null) {
                List<PlanOptimizer> chosen = new ArrayList<>();
                for (Object optimizer : (List<?>) invocation.proceed()) {
                    if (optimizer instanceof IterativeOptimizer) {
                        for (Rule<?> rule : ((IterativeOptimizer) optimizer).getRules()) {
                            rewriteOnce(rule);
                        }
                    }
                    chosen.add(isAddExchanges(optimizer)
                            ? onlyForRowsInStatements((PlanOptimizer) optimizer)
                            : (PlanOptimizer) optimizer);
                }
                optimizers = List.copyOf(chosen);
            }
            return optimizers;
        }

        private static void rewriteOnce(Rule<?> rule)
                throws ReflectiveOperationException
        {
            if (rule.getClass().getEnclosingClass() != ExpressionRewriteRuleSet.class) {
                return;
            }
            Field field = rule.getClass().getDeclaredField("rewriter");
            field.setAccessible(true);
            ExpressionRewriter rewriter = (ExpressionRewriter) field.get(rule);
            if (!(rewriter instanceof Once)) {
                field.set(rule, new Once(rewriter));
            }
        }

        private static boolean isAddExchanges(Object optimizer)
                throws ReflectiveOperationException
        {
            if (optimizer instanceof StatsRecordingPlanOptimizer) {
                Field wrapped = StatsRecordingPlanOptimizer.class.getDeclaredField("delegate");
                wrapped.setAccessible(true);
                return wrapped.get(optimizer) instanceof AddExchanges;
            }
            return optimizer instanceof AddExchanges;
        }

        /** Rows that stand in a statement have no splits: beside tables, they need a stage of their own. */
        private static PlanOptimizer onlyForRowsInStatements(PlanOptimizer addExchanges)
        {
            return (plan, session, types, symbols, ids, warnings, statistics, tables) ->
                    has(plan, TableScanNode.class) && has(plan, ValuesNode.class)
                            ? addExchanges.optimize(plan, session, types, symbols, ids, warnings, statistics, tables)
                            : plan;
        }

        private static boolean has(PlanNode plan, Class<? extends PlanNode> kind)
        {
            return searchFrom(plan).where(kind::isInstance).matches();
        }
    }

    /**
     * A way to rewrite expressions that is not asked again what it left as it was.
     *
     * <p>Trino rewrites the expressions of a plan some eight times in several ways, mostly to find that
     * nothing is left to rewrite, and looks up the types of all their parts each time.
     */
    private static class Once
            implements ExpressionRewriter
    {
        /** By query: within one, a symbol has one type. */
        private static final Map<SymbolAllocator, Map<Class<?>, Set<Expression>>> SETTLED =
                new MapMaker().weakKeys().makeMap();

        private final ExpressionRewriter rewriter;

        Once(ExpressionRewriter rewriter)
        {
            this.rewriter = rewriter;
        }

        @Override
        public Expression rewrite(Expression expression, Rule.Context context)
        {
            Set<Expression> settled = SETTLED
                    .computeIfAbsent(context.getSymbolAllocator(), query -> new ConcurrentHashMap<>())
                    .computeIfAbsent(rewriter.getClass(), way -> new HashSet<>());
            if (settled.contains(expression)) {
                return expression;
            }
            Expression rewritten = rewriter.rewrite(expression, context);
            if (rewritten.equals(expression)) {
                settled.add(expression);
            }
            return rewritten;
        }
    }
}
