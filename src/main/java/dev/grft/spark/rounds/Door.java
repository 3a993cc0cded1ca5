package dev.grft.spark.rounds;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Limits what a connection may do before it has shown the token: how much it sends, how long it takes, and how many of them there are. If there
 * are too many, the oldest one is closed and not the one that comes, because a worker takes milliseconds. Spark's transport itself waits for messages of
 * up to 2 GiB.
 */
final class Door extends ChannelInboundHandlerAdapter {
    static final int MOST_BYTES = 64 << 10;

    private final Strangers strangers;
    private final Refusals refusals;
    private final long millis;
    private int bytes;

    /** The connections that have not shown the token, the oldest first. Thread-safe. */
    static final class Strangers {
        private final int most;
        private final Set<ChannelHandlerContext> waiting = new LinkedHashSet<>();

        /** Returns none yet, and room for so many. */
        Strangers(int most) {
            this.most = most;
        }

        /** Lets one in, and returns the one that has to go for it; null if there is room. */
        synchronized @Nullable ChannelHandlerContext comes(ChannelHandlerContext one) {
            waiting.add(one);
            if (waiting.size() <= most) {
                return null;
            }
            ChannelHandlerContext oldest = waiting.iterator().next();
            waiting.remove(oldest);
            return oldest;
        }

        synchronized boolean has(ChannelHandlerContext one) {
            return waiting.contains(one);
        }

        synchronized void goes(ChannelHandlerContext one) {
            waiting.remove(one);
        }

        synchronized int count() {
            return waiting.size();
        }
    }

    /**
     * Returns the door of one connection.
     *
     * @param strangers all that have not shown the token
     * @param refusals gets the connections that are closed here
     * @param millis how long it may take
     */
    Door(Strangers strangers, Refusals refusals, long millis) {
        this.strangers = strangers;
        this.refusals = refusals;
        this.millis = millis;
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    public void handlerAdded(ChannelHandlerContext context) {
        ChannelHandlerContext oldest = strangers.comes(context);
        if (oldest != null) {
            refuse(oldest, "there are " + strangers.most + " later ones without the token");
        }
        context.executor()
                .schedule(
                        () -> {
                            if (strangers.has(context)) {
                                refuse(context, "it has not shown the token in " + millis + " ms");
                            }
                        },
                        millis,
                        TimeUnit.MILLISECONDS);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        strangers.goes(context);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) throws Exception {
        strangers.goes(context);
        super.channelInactive(context);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
        if (message instanceof ByteBuf some) {
            bytes += some.readableBytes();
            if (bytes > MOST_BYTES) {
                some.release();
                refuse(context, "it has sent " + bytes + " bytes without the token");
                return;
            }
        }
        super.channelRead(context, message);
    }

    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    private void refuse(ChannelHandlerContext context, String why) {
        refusals.add(context.channel().remoteAddress(), why);
        context.close();
    }
}
